import type { ErrorKind, Part, ToolResultPart } from "@parley/protocol";
import type { ModelRequest, PromptMessage } from "../model-port.ts";
import { exampleOf } from "./example.ts";
import {
  echo,
  helpText,
  longText,
  paragraph,
  resultsText,
  summary,
  thoughts,
  titleText,
} from "./texts.ts";

export interface DemoFailure {
  kind: ErrorKind;
  status_code?: number;
  retry_after_ms?: number;
  message: string;
}

/** What a demo model is going to do: decided from the request alone, so that the same prompt gives the same reply. */
export interface DemoPlan {
  reasoning: string;
  text: string;
  calls: { toolName: string; input: string }[];
  /** Fails after this share of the text (0: before the first part). */
  failure: (DemoFailure & { afterShare: number; once: boolean }) | null;
  /** Stops for a while between sentences. */
  slow: boolean;
}

const nothing: DemoPlan = { reasoning: "", text: "", calls: [], failure: null, slow: false };

export function planReply(request: ModelRequest, model: string): DemoPlan {
  const { messages, tools } = request;
  const question = lastQuestion(messages);
  if (request.purpose === "compaction") return { ...nothing, text: summary(question) };
  if (request.purpose === "title") return { ...nothing, text: titleText(question) };
  if (model === "echo") return { ...nothing, text: question };
  const results = resultsAtEnd(messages);
  const result = resultIn(request, question);
  if (results.length > 0) return { ...nothing, text: result ?? resultsText(results) };
  const words = new Set(question.toLowerCase().match(/[a-z0-9_/]+/g));
  if (words.has("/help") || words.has("help")) return { ...nothing, text: helpText(tools) };
  if (words.has("empty")) return nothing;
  const calls = callsIn(question, tools);
  if (calls.length === 0 && result !== null) return { ...nothing, text: result };
  const text = words.has("long") ? longText() : calls.length > 0 ? "" : answer(request, question);
  return {
    reasoning: words.has("think") ? thoughts(question) : "",
    text:
      calls.length > 0
        ? `I am going to call ${calls.map(({ toolName }) => `\`${toolName}\``).join(" and ")}.`
        : text,
    calls,
    failure: failureIn(question),
    slow: words.has("slow"),
  };
}

/** Where JSON of a schema was asked for: an example of it; with "wrong" in the question, at first something else. */
function resultIn({ response_format, messages }: ModelRequest, question: string): string | null {
  if (!response_format) return null;
  const isTold = messages.at(-1)?.role === "system";
  if (/\bwrong\b/i.test(question) && !isTold) return "This is no JSON, as you wished.";
  return JSON.stringify(exampleOf(response_format.schema));
}

/** The text of the newest message that a person wrote. */
export function lastQuestion(messages: readonly PromptMessage[]): string {
  const last = messages.findLast(({ role }) => role === "user");
  return textOf(last?.parts ?? []);
}

function resultsAtEnd(messages: readonly PromptMessage[]): ToolResultPart[] {
  const results: ToolResultPart[] = [];
  for (const { role, parts } of messages.toReversed()) {
    if (role !== "tool") break;
    results.unshift(...parts.filter((part) => part.type === "tool-result"));
  }
  return results;
}

function answer({ messages }: ModelRequest, question: string): string {
  const files = messages.at(-1)?.parts.filter(({ type }) => type === "file").length ?? 0;
  const turns = messages.filter(({ role }) => role === "user").length;
  return `${echo(question, files)}\n\n${paragraph(question, turns)}`;
}

/** `call NAME {json}`, as often as it stands there; `use tool` stands for a call of the first tool offered. */
function callsIn(question: string, tools: ModelRequest["tools"]): DemoPlan["calls"] {
  const names = new Map(tools.map(({ name }) => [name.toLowerCase(), name]));
  const calls: DemoPlan["calls"] = [];
  for (const found of question.matchAll(/\bcall\s+`?([\w-]+)`?/gi)) {
    const toolName = names.get((found[1] ?? "").toLowerCase());
    if (toolName === undefined) continue;
    calls.push({
      toolName,
      input: jsonAt(question, found.index + found[0].length) ?? exampleInput(tools, toolName),
    });
  }
  const first = tools[0];
  if (
    calls.length === 0 &&
    first !== undefined &&
    /\buse (a |the |some )?tools?\b/i.test(question)
  ) {
    calls.push({ toolName: first.name, input: exampleInput(tools, first.name) });
  }
  return calls;
}

/** The braces that follow directly, as they stand there: what is no JSON shall arrive as it is. */
function jsonAt(text: string, from: number): string | null {
  const rest = text.slice(from).trimStart();
  if (!rest.startsWith("{")) return null;
  let depth = 0;
  // Braces inside of strings do not count.
  for (const { 0: token, index } of rest.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (token === "{") depth += 1;
    else if (token === "}" && --depth === 0) return rest.slice(0, index + 1);
  }
  return rest;
}

/** Something that fits the schema's required fields. */
function exampleInput(tools: ModelRequest["tools"], name: string): string {
  const schema = tools.find((tool) => tool.name === name)?.input_schema ?? {};
  return JSON.stringify(exampleOf({ type: "object", ...schema }));
}

const overloaded: DemoFailure = {
  kind: "overloaded",
  status_code: 529,
  message: "The provider is overloaded.",
};

const failures: Readonly<Record<string, DemoFailure>> = {
  "429": {
    kind: "rate_limit",
    status_code: 429,
    retry_after_ms: 2_000,
    message: "Too many requests.",
  },
  "401": { kind: "auth", status_code: 401, message: "The key was refused." },
  "500": { kind: "server", status_code: 500, message: "The provider failed." },
  "529": overloaded,
  quota: { kind: "quota", status_code: 429, message: "The quota is used up." },
  network: { kind: "network", message: "The connection was lost." },
  timeout: { kind: "timeout", status_code: 504, message: "The provider took too long." },
  context: {
    kind: "context_overflow",
    status_code: 400,
    message: "The conversation is too long for the model.",
  },
  filter: {
    kind: "content_filter",
    status_code: 400,
    message: "The request was refused by a content filter.",
  },
  config: { kind: "config", status_code: 404, message: "The model does not exist." },
};

const otherNames: Readonly<Record<string, string>> = {
  auth: "401",
  rate: "429",
  server: "500",
  overloaded: "529",
  silence: "timeout",
};

const plainFailure: DemoFailure = {
  kind: "invalid_request",
  status_code: 400,
  message: "The demo model failed because it was asked to.",
};

function failureIn(question: string): DemoPlan["failure"] {
  const cut = /\bcut\b(?:\s+(once))?/i.exec(question);
  if (cut !== null) {
    const message = "The stream ended in the middle, because the demo model was asked to cut it.";
    return { kind: "network", message, afterShare: 0.5, once: cut[1] !== undefined };
  }
  const fail = /\bfail\b(?:\s+(\w+))?(?:\s+(once))?/i.exec(question);
  if (fail === null) return null;
  const word = (fail[1] ?? "").toLowerCase();
  if (word === "once") return { ...overloaded, afterShare: 0, once: true };
  const failure = failures[otherNames[word] ?? word] ?? plainFailure;
  return { ...failure, afterShare: 0, once: fail[2] !== undefined };
}

function textOf(parts: readonly Part[]): string {
  return parts
    .filter((part) => part.type === "text")
    .map(({ text }) => text)
    .join("\n");
}
