import { InvalidRequest, MalformedJson } from "./errors.ts";

/** Nobody needs deeper arguments, and recursive code must be able to walk what it is given. */
const jsonDepthMax = 100;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The body of a request. Absent where there is none.
 *
 * @throws MalformedJson, also for bytes that are no UTF-8.
 * @throws InvalidRequest for what cannot be stored: see `checkStorable`.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  const value = parsed(bytes);
  checkStorable(value, "The body");
  return value;
}

function parsed(bytes: Buffer): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new MalformedJson("it is not UTF-8");
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The engine's message quotes a little of the body: fine for who sent it, and bounded.
    throw new MalformedJson(error instanceof Error ? error.message.slice(0, 200) : "syntax error");
  }
}

/**
 * Refuses what PostgreSQL's jsonb or JSON itself cannot carry: U+0000, half surrogate pairs; and what would be a trap
 * for later code: a key `__proto__`, nesting beyond reason. Walks with a list of its own, so that depth is no danger.
 */
export function checkStorable(value: unknown, what: string): void {
  const stack: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    if (typeof item.value === "string") checkText(item.value, what);
    if (typeof item.value !== "object" || item.value === null) continue;
    const depth = item.depth + 1;
    if (depth > jsonDepthMax) throw new InvalidRequest(`${what} is nested too deeply.`);
    if (Array.isArray(item.value)) {
      for (const child of item.value) stack.push({ value: child, depth });
      continue;
    }
    for (const [key, child] of Object.entries(item.value)) {
      checkText(key, what);
      if (key === "__proto__") throw new InvalidRequest(`${what} has a key "__proto__".`);
      stack.push({ value: child, depth });
    }
  }
}

function checkText(text: string, what: string): void {
  if (text.includes("\0")) throw new InvalidRequest(`${what} holds the character U+0000.`);
  if (!text.isWellFormed()) throw new InvalidRequest(`${what} holds half a surrogate pair.`);
}
