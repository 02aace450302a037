import type { Part, ProviderMetadata } from "@parley/protocol";
import fc from "fast-check";
import type { PromptMessage } from "../src/models/model-port.ts";

/**
 * Histories as the machine leaves them: turns of replies and batches of tools, kept partials, steering in between, notes
 * and boundaries, written by models of several providers. Ids of calls differ, as they do in a chat.
 */

/** Providers with a model of theirs. */
export const writers = {
  anthropic: "anthropic/claude-sonnet-5-5",
  openai: "openai/gpt-5.4",
  google: "google/gemini-3.8-flash",
  vllm: "vllm/m",
} as const;
type Writer = keyof typeof writers;

const words = fc.constantFrom("", " ", "\n", "hello", "bye ", " what now?", "€ ä 漢 😀");
const said = fc.constantFrom(" ", "hello", "bye ", "two\nlines", "漢字 😀");
const text = (of: fc.Arbitrary<string>): fc.Arbitrary<Part> =>
  of.map((value) => ({ type: "text", text: value }));

const file: fc.Arbitrary<Part> = fc.constantFrom<Part>(
  { type: "file", media_type: "image/png", data: "iVBORw0KGgo=", filename: "p.png" },
  { type: "file", media_type: "application/pdf", data: "JVBERi0xLjQ=", filename: "d.pdf" },
  { type: "file", media_type: "text/plain", data: "aGVsbG8=" },
  { type: "file", media_type: "image/jpeg", url: "https://example.com/a.jpg" },
  { type: "file", media_type: "application/zip", data: "UEsDBA==", filename: "z.zip" },
  { type: "file", media_type: "audio/wav", data: "UklGRg==" },
);

const user: fc.Arbitrary<PromptMessage> = fc
  .array(fc.oneof(text(said), text(said), file), { minLength: 1, maxLength: 3 })
  .map((parts) => ({ role: "user", parts, finish_reason: null, model: null }));

/** What a provider wants back of a piece of reasoning; null: it came without proof, or was cut off before it. */
function proofOf(writer: Writer, id: string, proven: boolean): ProviderMetadata | undefined {
  if (!proven) return writer === "openai" ? { openai: { itemId: `rs_${id}` } } : undefined;
  switch (writer) {
    case "anthropic":
      return { anthropic: { signature: `sig-${id}` } };
    case "openai":
      return { openai: { itemId: `rs_${id}`, reasoningEncryptedContent: `enc-${id}` } };
    case "google":
      return { google: { thoughtSignature: `thought-${id}` } };
    case "vllm":
      return undefined;
  }
}

type Shape =
  | { kind: "reasoning"; text: string; proven: boolean }
  | { kind: "text"; text: string }
  | { kind: "call"; oddId: boolean; oddName: boolean; input: number }
  | { kind: "provider_call"; answered: boolean }
  | { kind: "file" }
  | { kind: "source" }
  | { kind: "structured" };

const shape: fc.Arbitrary<Shape> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("text" as const), text: words }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("reasoning" as const),
      text: words,
      proven: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("call" as const),
      oddId: fc.boolean(),
      oddName: fc.boolean(),
      input: fc.nat(3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("provider_call" as const), answered: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("file" as const, "source" as const, "structured" as const),
    }),
  },
);

const stepShape = fc.record({
  writer: fc.constantFrom<Writer>("anthropic", "openai", "google", "vllm"),
  shapes: fc.array(shape, { minLength: 1, maxLength: 5 }),
  /** How a step without calls ends; a partial may have calls too. */
  end: fc.constantFrom("whole", "whole", "interrupted", "pause", "length"),
  /** Results come in call order, but what was closed early is a message of its own. */
  outputs: fc.array(fc.nat(5), { minLength: 5, maxLength: 5 }),
});

const turnShape = fc.record({
  asked: user,
  steps: fc.array(stepShape, { minLength: 0, maxLength: 3 }),
  steering: fc.option(user, { nil: null }),
  note: fc.boolean(),
});

export const histories: fc.Arbitrary<PromptMessage[]> = fc
  .record({
    boundary: fc.boolean(),
    turns: fc.array(turnShape, { minLength: 1, maxLength: 3 }),
    last: fc.option(user, { nil: null }),
  })
  .map(({ boundary, turns, last }) => {
    const history: PromptMessage[] = [];
    let count = 0;
    if (boundary) history.push(system("What came before, in short."));
    for (const { asked, steps, steering, note } of turns) {
      history.push(asked);
      for (const step of steps) {
        history.push(...stepOf(step, () => `${(count += 1)}`));
        if (history.at(-1)?.role === "tool" && steering !== null) history.push(steering);
      }
      if (note) history.push(system("Your output was no JSON."));
    }
    return last === null ? history : [...history, last];
  });

function system(value: string): PromptMessage {
  return {
    role: "system",
    parts: [{ type: "text", text: value }],
    finish_reason: null,
    model: null,
  };
}

function stepOf({ writer, shapes, end, outputs }: Shaped, nextId: () => string): PromptMessage[] {
  const isPaused = end === "pause";
  const parts = shapes.flatMap((each) => partsOf(each, writer, nextId(), isPaused));
  const calls = parts
    .filter((part) => part.type === "tool-call")
    .filter((part) => part.provider_executed !== true);
  const isCut = end === "interrupted" || end === "length";
  const reply: PromptMessage = {
    role: "assistant",
    parts,
    finish_reason: isCut ? end : calls.length > 0 ? "tool_calls" : isPaused ? "pause" : "stop",
    model: writers[writer],
  };
  if (calls.length === 0) return [reply];
  const results = calls.map((call, at) => resultOf(call.tool_call_id, call.tool_name, outputs[at]));
  return [reply, { role: "tool", parts: results, finish_reason: null, model: null }];
}

type Shaped = typeof stepShape extends fc.Arbitrary<infer T> ? T : never;

const inputs = [{}, { a: 1, nested: { b: ["ä"] } }, [1, 2], null] as const;

function partsOf(given: Shape, writer: Writer, id: string, isPaused: boolean): Part[] {
  switch (given.kind) {
    case "text":
      return [
        {
          type: "text",
          text: given.text,
          ...(writer === "openai" && { provider_metadata: { openai: { itemId: `msg_${id}` } } }),
        },
      ];
    case "reasoning": {
      const proof = proofOf(writer, id, given.proven);
      return [{ type: "reasoning", text: given.text, ...(proof && { provider_metadata: proof }) }];
    }
    case "call": {
      const input = inputs[given.input] ?? null;
      return [
        {
          type: "tool-call",
          tool_call_id: given.oddId ? `functions.add:${id}` : `call_${id}`,
          tool_name: given.oddName ? "my tool!" : "add",
          input: input as never,
          ...(input === null && { input_text: "{broken" }),
          ...(writer === "openai" && { provider_metadata: { openai: { itemId: `fc_${id}` } } }),
          ...(writer === "google" && {
            provider_metadata: { google: { thoughtSignature: `call-${id}` } },
          }),
        },
      ];
    }
    case "provider_call":
      return providerCall(writer, id, given.answered || !isPaused);
    case "file":
      return [{ type: "file", media_type: "image/png", data: "iVBORw0KGgo=" }];
    case "source":
      return [{ type: "source", source_type: "url", id, url: "https://example.com" }];
    case "structured":
      return [{ type: "structured-output", outcome: "valid", value: { a: 1 } }];
  }
}

/** Only Anthropic's comes with a result that it takes back as it is; the others' are told by their text alone. */
function providerCall(writer: Writer, id: string, answered: boolean): Part[] {
  if (writer !== "anthropic") return [];
  const call: Part = {
    type: "tool-call",
    tool_call_id: `srvtoolu_${id}`,
    tool_name: "web_search",
    input: { query: "x" },
    provider_executed: true,
  };
  const result: Part = {
    type: "tool-result",
    tool_call_id: `srvtoolu_${id}`,
    tool_name: "web_search",
    output: [
      {
        type: "web_search_result",
        url: "https://example.com",
        title: "X",
        pageAge: null,
        encryptedContent: `secret-${id}`,
      },
    ],
    is_error: false,
    provider_executed: true,
  };
  return answered ? [call, result] : [call];
}

function resultOf(tool_call_id: string, tool_name: string, kind: number | undefined): Part {
  const base = { type: "tool-result", tool_call_id, tool_name, is_error: false } as const;
  switch (kind) {
    case 0:
      return { ...base, output: "" };
    case 1:
      return { ...base, output: { rows: [1, 2] } };
    case 2:
      return { ...base, output: "not run: stopped", is_error: true };
    case 3:
      return {
        ...base,
        output: {
          content: [
            { type: "text", text: "A picture:" },
            { type: "file", media_type: "image/png", data: "iVBORw0KGgo=" },
          ],
        },
      };
    case 4:
      return { ...base, output: null };
    default:
      return { ...base, output: "done" };
  }
}
