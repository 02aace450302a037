import type { Protocol } from "./provider-server.ts";

/** What is wrong with the body of a model call, by the rules of its protocol; none: its provider takes it. */
export function problemsOf(protocol: Protocol, body: Record<string, unknown>): string[] {
  const problems: string[] = [];
  const check = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  switch (protocol) {
    case "anthropic":
      checkAnthropic(body as never, check);
      break;
    case "openai-responses":
      checkResponses(body as never, check);
      break;
    case "openai-chat":
      checkChat(body as never, check);
      break;
    case "google":
      checkGoogle(body as never, check);
      break;
  }
  return problems;
}

type Check = (holds: boolean, problem: string) => void;

interface Block {
  type: string;
  text?: string;
  thinking?: string;
  signature?: string;
  data?: string;
  id?: string;
  name?: string;
  input?: unknown;
  tool_use_id?: string;
  content?: unknown;
  cache_control?: unknown;
}

const providerResult = /^\w+_tool_result$/;

function checkAnthropic(
  body: { system?: Block[]; messages: { role: string; content: Block[] }[] },
  check: Check,
): void {
  const { messages, system = [] } = body;
  check(messages[0]?.role === "user", "the first message is the user's");
  const seen = new Set<string>();
  messages.forEach(({ role, content }, at) => {
    const before = messages[at - 1];
    check(before?.role !== role, `two ${role} messages in a row (${at})`);
    check(content.length > 0, `message ${at} is empty`);
    for (const { type, text } of content) {
      if (type === "text") check((text ?? "").trim() !== "", `an empty text in message ${at}`);
    }
    const asked = (before?.role === "assistant" ? before.content : [])
      .filter(({ type }) => type === "tool_use")
      .map(({ id }) => id);
    const results = content.filter(({ type }) => type === "tool_result");
    check(
      JSON.stringify(results.map(({ tool_use_id }) => tool_use_id)) === JSON.stringify(asked),
      `results of message ${at} answer the calls before it, in order: ${JSON.stringify(asked)}`,
    );
    check(
      content.slice(0, results.length).every(({ type }) => type === "tool_result"),
      `results stand before anything else in message ${at}`,
    );
    for (const { content: inner } of results) {
      if (!Array.isArray(inner)) continue;
      const isFull = (inner as Block[]).every(({ type, text }) => type !== "text" || text !== "");
      check(inner.length > 0 && isFull, `an empty result in message ${at}`);
    }
    if (role === "assistant") checkAnthropicReply(content, at, at === messages.length - 1, check);
    for (const { type, id, input } of content) {
      if (type !== "tool_use" && type !== "server_tool_use") continue;
      check(/^[a-zA-Z0-9_-]+$/.test(id ?? ""), `the id ${id}`);
      check(!seen.has(id ?? ""), `the id ${id} twice`);
      check(isObject(input), "input is an object");
      seen.add(id ?? "");
    }
  });
  const blocks = [...system, ...messages.flatMap(({ content }) => content)];
  const marks = blocks.filter(({ cache_control }) => cache_control !== undefined);
  check(marks.length <= 4, "more than four cache marks");
  check(
    marks.every(({ type }) => type !== "thinking" && type !== "redacted_thinking"),
    "a cache mark on thinking",
  );
}

function checkAnthropicReply(content: Block[], at: number, isLast: boolean, check: Check): void {
  for (const block of content) {
    if (block.type === "thinking") {
      check((block.signature ?? "") !== "", `thinking without a signature in message ${at}`);
    }
  }
  const end = content.at(-1);
  check(
    end?.type !== "thinking" && end?.type !== "redacted_thinking",
    `message ${at} ends with thinking`,
  );
  if (isLast && end?.type === "text") check(!/\s$/.test(end.text ?? ""), "the end has blanks");
  const used = content.filter(({ type }) => type === "server_tool_use").map(({ id }) => id);
  const answered = content
    .filter(({ type }) => type !== "tool_result" && providerResult.test(type))
    .map(({ tool_use_id }) => tool_use_id);
  check(
    answered.every((id) => used.includes(id)),
    `a provider's result without its call in message ${at}`,
  );
  if (!isLast) {
    check(
      used.every((id) => answered.includes(id)),
      `a provider's call without its result in message ${at}`,
    );
  }
}

interface Item {
  type?: string;
  role?: string;
  id?: string;
  call_id?: string;
  arguments?: string;
  output?: unknown;
  content?: unknown;
  encrypted_content?: string | null;
}

function checkResponses({ input, store }: { input: Item[]; store: unknown }, check: Check): void {
  check(store === false, "nothing is stored");
  check(input.length > 0, "there is input");
  const open = new Set<string>();
  const ids = new Set<string>();
  input.forEach((item, at) => {
    const kind = item.type ?? "message";
    check(kind !== "item_reference", "a reference to what was never stored");
    if (item.id !== undefined && item.id !== null) {
      check(!ids.has(item.id), `the item ${item.id} twice`);
      ids.add(item.id);
    }
    if (kind === "function_call_output") {
      check(open.delete(item.call_id ?? ""), `a result without its call (${item.call_id})`);
      check(item.output !== undefined && item.output !== "", `an empty result (${item.call_id})`);
      return;
    }
    if (kind === "function_call") {
      check(!open.has(item.call_id ?? ""), `the call ${item.call_id} twice`);
      check(isObject(parsed(item.arguments)), "arguments are an object");
      open.add(item.call_id ?? "");
      return;
    }
    if (kind === "reasoning") {
      check((item.encrypted_content ?? "") !== "", "reasoning without its encrypted content");
      const next = input[at + 1];
      const follows = next?.type === "reasoning" || next?.type === "function_call";
      check(follows || next?.role === "assistant", "reasoning without the item that it led to");
      return;
    }
    check(open.size === 0 || item.role === "assistant", "a message before the results of calls");
    check(
      typeof item.content === "string" ? item.content !== "" : isFilled(item.content),
      `an empty message (${at})`,
    );
  });
  check(open.size === 0, "calls without results");
}

interface ChatMessage {
  role: string;
  content?: unknown;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

function checkChat({ messages }: { messages: ChatMessage[] }, check: Check): void {
  const turns = messages[0]?.role === "system" ? messages.slice(1) : messages;
  check(turns[0]?.role === "user", "the first message is the user's");
  let open: string[] = [];
  turns.forEach((message, at) => {
    const { role, content, tool_calls: calls = [] } = message;
    check(role !== "system", "a system message in the middle");
    if (role === "tool") {
      check(message.tool_call_id === open[0], `the result of ${open[0]} comes next`);
      check(content !== "" && content !== undefined && content !== null, "an empty result");
      open = open.slice(1);
      return;
    }
    check(open.length === 0, `${role} before the results of ${open.join()}`);
    check(turns[at - 1]?.role !== role, `two ${role} messages in a row`);
    if (role === "user") {
      check(typeof content === "string" ? content !== "" : isFilled(content), "an empty message");
      return;
    }
    const isEmpty = content === null || content === undefined || content === "";
    check(!isEmpty || calls.length > 0, "a reply that says nothing");
    for (const call of calls) check(isObject(parsed(call.function.arguments)), "an object");
    open = calls.map(({ id }) => id);
    check(new Set(open).size === open.length, "an id twice");
  });
  check(open.length === 0, "calls without results");
}

interface GooglePart {
  text?: string;
  /** Comes, and goes back, with an empty text where the thought itself is not told. */
  thoughtSignature?: string;
  functionCall?: { name: string; args: unknown };
  functionResponse?: { name: string; response: unknown };
}

function checkGoogle(
  { contents }: { contents: { role: string; parts: GooglePart[] }[] },
  check: Check,
): void {
  check(contents[0]?.role === "user", "the first turn is the user's");
  contents.forEach(({ role, parts }, at) => {
    check(contents[at - 1]?.role !== role || role === "user", `two ${role} turns in a row`);
    check(parts.length > 0, `turn ${at} is empty`);
    for (const part of parts) {
      const isFull = part.text !== "" || part.thoughtSignature !== undefined;
      check(isFull, `an empty text in turn ${at}`);
    }
    const calls = parts.flatMap(({ functionCall }) => (functionCall ? [functionCall.name] : []));
    const results = (contents[at + 1]?.parts ?? []).flatMap(({ functionResponse }) =>
      functionResponse ? [functionResponse.name] : [],
    );
    check(
      JSON.stringify(calls) === JSON.stringify(results),
      `the calls of turn ${at} are answered by the next, in order`,
    );
    if (parts.some(({ functionResponse }) => functionResponse !== undefined)) {
      check(contents[at - 1]?.role === "model", `results of turn ${at} follow their calls`);
    }
  });
  check(contents.at(-1)?.role === "user", "the last turn is the user's");
}

function isFilled(content: unknown): boolean {
  if (!Array.isArray(content) || content.length === 0) return false;
  return (content as { text?: string }[]).every(({ text }) => text === undefined || text !== "");
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
