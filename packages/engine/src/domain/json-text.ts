/** A longer answer is no answer: it is stored twice, once as text. */
const jsonBytesMax = 1024 * 1024;
/** Deeper values cannot be trusted to survive recursive code elsewhere. */
const jsonDepthMax = 100;

/** The JSON that a text holds: `text` is valid JSON. */
export type FoundJson =
  | { readonly found: true; readonly text: string; readonly value: unknown }
  | { readonly found: false; readonly reason: string };

/**
 * Finds the one JSON value in what a model has written: all of the text, the only fenced block in it, or what stands
 * between its first and its last bracket.
 */
export function jsonIn(text: string): FoundJson {
  if (Buffer.byteLength(text) > jsonBytesMax) {
    return { found: false, reason: `the reply is longer than ${jsonBytesMax} bytes` };
  }
  let reason = "there is no JSON in the reply";
  for (const candidate of candidatesIn(text.trim())) {
    if (depthOf(candidate) > jsonDepthMax) {
      return { found: false, reason: `it is nested deeper than ${jsonDepthMax} levels` };
    }
    try {
      return { found: true, text: candidate, value: JSON.parse(candidate) as unknown };
    } catch (error) {
      const why = error instanceof Error ? error.message.slice(0, 200) : "syntax error";
      reason = `the reply is no valid JSON: ${why}`;
    }
  }
  return { found: false, reason };
}

function* candidatesIn(text: string): Generator<string> {
  if (text === "") return;
  yield text;
  const fences = text.split(/^```.*$/m);
  if (fences.length === 3) yield (fences[1] ?? "").trim();
  const from = text.search(/[[{]/);
  const to = Math.max(text.lastIndexOf("]"), text.lastIndexOf("}"));
  if (from !== -1 && to > from) yield text.slice(from, to + 1);
}

/** How deep brackets are nested outside of strings; never less than what parsing would find. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === "\\") i += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{" || char === "[") deepest = Math.max(deepest, ++depth);
    else if (char === "}" || char === "]") depth -= 1;
  }
  return deepest;
}
