import { addedTest, cure, fault, lastTest, wish } from "./project.ts";

/** A message as OpenAI's Chat Completions have it, as far as this model reads it. */
export interface WireMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly { readonly function: { readonly name: string } }[];
}

export interface WireRequest {
  readonly messages: readonly WireMessage[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

export interface Reply {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly input: object }[];
}

/** Where the work stands: what the answer to a request waits for, if for anything. */
export type Stage = "begin" | "looked" | "mended" | "done";

const runTests = { name: "run_command", input: { command: "node --test" } };

/**
 * The one part of the demo that is played: what a model would say. It goes by what the tools really answered, like a model,
 * so nothing is claimed that did not happen.
 */
export function replyTo({ messages, tools = [] }: WireRequest): { stage: Stage; reply: Reply } {
  const { stage, text, calls = [] } = decide(messages);
  return { stage, reply: { text, calls: calls.map((call) => named(call, tools)) } };
}

interface Decision {
  readonly stage: Stage;
  readonly text: string;
  readonly calls?: Reply["calls"];
}

function decide(messages: readonly WireMessage[]): Decision {
  const called = messages.flatMap(({ tool_calls = [] }) =>
    tool_calls.map(({ function: { name } }) => name.replace(/^.*__/, "")),
  );
  const results = messages.filter(({ role }) => role === "tool").map(textOf);
  const edits = called.filter((name) => name === "edit_file").length;
  const wished = messages.some((message) => message.role === "user" && textOf(message) === wish);
  const last = results.at(-1) ?? "";

  if (called.length === 0) {
    return {
      stage: "begin",
      text: "I will see how the tests fail before I change anything.",
      calls: [runTests],
    };
  }
  if (called.at(-1) === "run_command") return afterTests(last, edits, wished);
  if (edits === 0) {
    return {
      stage: "looked",
      text: "The loop in `total` begins at 1, so the first line of a basket is never counted. It has to begin at 0.",
      calls: [{ name: "edit_file", input: { path: "basket.js", old_text: fault, new_text: cure } }],
    };
  }
  return { stage: "mended", text: "Now the tests once more.", calls: [runTests] };
}

function afterTests(output: string, edits: number, wished: boolean): Decision {
  const passed = /ended with exit code 0\b/.test(output);
  const count = /pass (\d+)/.exec(output)?.[1] ?? "some";
  if (edits === 0) {
    if (passed) return { stage: "done", text: "Nothing fails here: there is nothing to mend." };
    return {
      stage: "begin",
      text: "They fail: the sum is too small. I will read both files.",
      calls: [
        { name: "read_file", input: { path: "basket.js" } },
        { name: "read_file", input: { path: "basket.test.js" } },
      ],
    };
  }
  if (!passed)
    return { stage: "done", text: "The tests fail still. I stop here: please have a look." };
  if (wished && edits === 1) {
    return {
      stage: "mended",
      text: "They pass. You also asked for a test with an empty basket: here it is.",
      calls: [
        {
          name: "edit_file",
          input: { path: "basket.test.js", old_text: lastTest, new_text: addedTest },
        },
      ],
    };
  }
  const also = wished ? " The empty basket has a test of its own now, as you asked." : "";
  return {
    stage: "done",
    text: `Done. \`total\` skipped the first line of every basket, because its loop began at 1.${also} All ${count} tests pass.`,
  };
}

/** Tools are offered under their server's name. */
function named(
  { name, input }: Reply["calls"][number],
  tools: NonNullable<WireRequest["tools"]>,
): Reply["calls"][number] {
  const offered = tools.map(({ function: tool }) => tool.name);
  return { name: offered.find((one) => one.endsWith(`__${name}`)) ?? name, input };
}

function textOf({ content }: WireMessage): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) =>
      typeof part === "object" && part !== null && "text" in part ? String(part.text) : "",
    )
    .join("");
}
