import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { fold, type LivePart, type Part } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../lib/random.ts";
import { ReplyBuilder } from "./reply-builder.ts";

function build(
  parts: readonly LanguageModelV4StreamPart[],
  used: readonly string[] = [],
): { parts: Part[]; live: LivePart[]; skipped: number } {
  const live: LivePart[] = [];
  const builder = new ReplyBuilder(new Set(used), seededRandom(1), (part) => live.push(part));
  for (const part of parts) builder.add(part);
  return { parts: builder.end(), live, skipped: builder.skipped };
}

const text = (id: string, ...deltas: string[]): LanguageModelV4StreamPart[] => [
  { type: "text-start", id },
  ...deltas.map((delta) => ({ type: "text-delta" as const, id, delta })),
  { type: "text-end", id },
];

const call = (id: string, name: string, input: string): LanguageModelV4StreamPart[] => [
  { type: "tool-input-start", id, toolName: name },
  { type: "tool-input-delta", id, delta: input },
  { type: "tool-input-end", id },
  { type: "tool-call", toolCallId: id, toolName: name, input },
];

describe("ReplyBuilder", () => {
  it("gives parts their place at their first content", () => {
    const { parts, live } = build([
      { type: "text-start", id: "empty" },
      { type: "reasoning-start", id: "r" },
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "first" },
      { type: "reasoning-delta", id: "r", delta: "second" },
      { type: "text-end", id: "empty" },
    ]);
    expect(parts).toEqual([
      { type: "text", text: "first" },
      { type: "reasoning", text: "second" },
    ]);
    expect(live.slice(0, 2)).toEqual([
      { type: "text", index: 0, delta: "first" },
      { type: "reasoning", index: 1, delta: "second" },
    ]);
    expect(fold(live)).toEqual(parts);
  });

  it("keeps reasoning without text where a provider wants its metadata back, and not for a bare item id", () => {
    const { parts, live } = build([
      { type: "reasoning-start", id: "1", providerMetadata: { anthropic: { redactedData: "xx" } } },
      { type: "reasoning-end", id: "1" },
      {
        type: "reasoning-start",
        id: "2",
        providerMetadata: { openai: { itemId: "rs_1", reasoningEncryptedContent: null } },
      },
      { type: "reasoning-end", id: "2" },
    ]);
    expect(parts).toEqual([
      { type: "reasoning", text: "", provider_metadata: { anthropic: { redactedData: "xx" } } },
    ]);
    expect(fold(live)).toEqual(parts);
  });

  it("merges metadata of start, deltas and end", () => {
    const { parts } = build([
      {
        type: "reasoning-start",
        id: "1",
        providerMetadata: { openai: { itemId: "a", enc: null } },
      },
      {
        type: "reasoning-delta",
        id: "1",
        delta: "x",
        providerMetadata: { openai: { itemId: "a" } },
      },
      { type: "reasoning-end", id: "1", providerMetadata: { openai: { enc: "e" } } },
    ]);
    expect(parts[0]).toEqual({
      type: "reasoning",
      text: "x",
      provider_metadata: { openai: { itemId: "a", enc: "e" } },
    });
  });

  it("replaces ids that are empty or used before, from the first delta on", () => {
    const { parts, live } = build(
      [
        ...call("", "a", "{}"),
        ...call("used", "b", "{}"),
        ...call("new", "c", "{}"),
        ...call("new", "d", "{}"),
      ],
      ["used"],
    );
    const ids = parts.map((part) => (part.type === "tool-call" ? part.tool_call_id : ""));
    expect(new Set(ids).size).toBe(4);
    expect(ids[2]).toBe("new");
    for (const id of [ids[0], ids[1], ids[3]]) expect(id).toMatch(/^call_[0-9a-f]{32}$/);
    expect(fold(live)).toEqual(parts);
    for (const part of live) {
      if (part.type === "tool-call") expect(part.tool_call_id).toBe(ids[part.index]);
    }
  });

  it("keeps two parallel calls apart that share an id", () => {
    const { parts, live } = build([
      { type: "tool-input-start", id: "x", toolName: "a" },
      { type: "tool-input-delta", id: "x", delta: '{"n":' },
      { type: "tool-input-start", id: "x", toolName: "b" },
      { type: "tool-input-delta", id: "x", delta: '{"m":2}' },
      { type: "tool-call", toolCallId: "x", toolName: "a", input: '{"n":1}' },
      { type: "tool-call", toolCallId: "x", toolName: "b", input: '{"m":2}' },
    ]);
    expect(parts).toMatchObject([
      { tool_name: "a", input: { n: 1 } },
      { tool_name: "b", input: { m: 2 } },
    ]);
    expect(fold(live)).toEqual(parts);
  });

  it.each([
    ["", { input: {} }],
    ["null", { input: {} }],
    ['{"a":1}', { input: { a: 1 } }],
    ['{"a":', { input: null, input_text: '{"a":' }],
    ['{"a":"\\u0000\\ud800"}', { input: { a: "\ufffd\ufffd" } }],
    [
      `${"[".repeat(500)}${"]".repeat(500)}`,
      { input: null, input_text: expect.any(String) as string },
    ],
  ])("reads the arguments %j", (input, expected) => {
    const { parts } = build([{ type: "tool-call", toolCallId: "1", toolName: "t", input }]);
    expect(parts).toEqual([{ type: "tool-call", tool_call_id: "1", tool_name: "t", ...expected }]);
  });

  it("ends a call whose arguments broke off with what there is", () => {
    const { parts, live } = build([
      { type: "tool-input-start", id: "1", toolName: "t" },
      { type: "tool-input-delta", id: "1", delta: '{"a":' },
    ]);
    expect(parts).toMatchObject([{ input: null, input_text: '{"a":' }]);
    expect(fold(live)).toEqual(parts);
  });

  it("keeps sources, files, custom parts and the provider's own calls", () => {
    const meta = { providerMetadata: { p: { k: "v" } } };
    const { parts, live, skipped } = build([
      {
        type: "tool-call",
        toolCallId: "s",
        toolName: "web_search",
        input: "{}",
        providerExecuted: true,
      },
      {
        type: "tool-result",
        toolCallId: "s",
        toolName: "web_search",
        result: { n: 1 },
        preliminary: true,
      },
      { type: "tool-result", toolCallId: "s", toolName: "web_search", result: { n: 2 }, ...meta },
      { type: "source", sourceType: "url", id: "1", url: "https://example.com", title: "T" },
      { type: "source", sourceType: "document", id: "2", mediaType: "application/pdf", title: "D" },
      {
        type: "file",
        mediaType: "image/png",
        data: { type: "data", data: new Uint8Array([1, 2]) },
      },
      { type: "reasoning-file", mediaType: "image/png", data: { type: "data", data: "AQI=" } },
      { type: "custom", kind: "openai.compaction", ...meta },
      { type: "custom", kind: "anthropic.message_start", ...meta },
      { type: "tool-approval-request", approvalId: "a", toolCallId: "s" },
    ]);
    expect(parts.map(({ type }) => type)).toEqual([
      "tool-call",
      "tool-result",
      "source",
      "source",
      "file",
      "file",
      "custom",
    ]);
    expect(parts[1]).toMatchObject({ output: { n: 2 }, provider_executed: true, is_error: false });
    expect(parts[4]).toMatchObject({ data: "AQI=" });
    expect(parts[5]).toMatchObject({ reasoning: true });
    expect(skipped).toBe(1);
    expect(fold(live)).toEqual(parts);
  });

  it("folds to what is committed, whatever comes in whatever order", () => {
    const id = fc.constantFrom("a", "b", "");
    const delta = fc.constantFrom("", "x", "\0", "\ud83d", "\udc4d", '{"a":1}', "{");
    const part: fc.Arbitrary<LanguageModelV4StreamPart> = fc.oneof(
      ...(["text-start", "text-end", "reasoning-start", "reasoning-end"] as const).map((type) =>
        fc.record({ type: fc.constant(type), id }),
      ),
      ...(["text-delta", "reasoning-delta", "tool-input-delta"] as const).map((type) =>
        fc.record({ type: fc.constant(type), id, delta }),
      ),
      fc.record({
        type: fc.constant("reasoning-end" as const),
        id,
        providerMetadata: fc.constant({ p: { s: "x" } }),
      }),
      fc.record({
        type: fc.constant("tool-input-start" as const),
        id,
        toolName: fc.constantFrom("t", "u"),
      }),
      fc.record({
        type: fc.constant("tool-call" as const),
        toolCallId: id,
        toolName: fc.constantFrom("t", "u"),
        input: delta,
        providerExecuted: fc.boolean(),
      }),
      fc.record({
        type: fc.constant("tool-result" as const),
        toolCallId: id,
        toolName: fc.constant("t"),
        result: fc.constant("r"),
      }),
      fc.constant({
        type: "source" as const,
        sourceType: "url" as const,
        id: "1",
        url: "https://example.com",
      }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (stream) => {
        const { parts, live } = build(stream, ["b"]);
        expect(fold(live)).toEqual(parts);
        expect(JSON.stringify(live).isWellFormed()).toBe(true);
        expect(JSON.stringify([live, parts])).not.toMatch(/\\u0000|\\ud[89a-f]/);
        const ids = parts.filter((p) => p.type === "tool-call").map((p) => p.tool_call_id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(parts.some((p) => p.type === "text" && p.text === "")).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it("does not leave a hole where a text ends as half a character", () => {
    const { parts, live } = build(text("1", "a\ud83d"));
    expect(parts).toEqual([{ type: "text", text: "a\ufffd" }]);
    expect(fold(live)).toEqual(parts);
  });
});
