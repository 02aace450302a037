import fc from "fast-check";
import { livePartSchema, type LivePart } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import { episode } from "../../../test/relay-network.ts";
import { RelayError } from "./errors.ts";
import {
  assertVersion,
  decodeFrame,
  encodeFollow,
  encodeFrame,
  encodeMessage,
  encodeParts,
  protocolVersion,
  type RelayMessage,
} from "./wire.ts";

const parts: LivePart[] = [
  { type: "text", index: 0, delta: 'a\u2028"b' },
  { type: "reasoning", index: 1, delta: "" },
  { type: "tool-call", index: 2, tool_call_id: "c", tool_name: "t", input_delta: "{" },
  { type: "text", index: 0, text: "whole", provider_metadata: { p: { signature: "s" } } },
  { type: "tool-call", index: 2, tool_call_id: "c", tool_name: "t", input: { a: [1, null] } },
  {
    type: "tool-result",
    index: 3,
    tool_call_id: "c",
    tool_name: "t",
    output: "o",
    is_error: false,
  },
  { type: "source", index: 4, source_type: "url", id: "s", url: "https://example.org" },
  { type: "file", index: 5, media_type: "image/png", data: "AA==" },
  { type: "custom", index: 6, kind: "k" },
  { type: "structured-output", index: 7, outcome: "valid", value: { a: 1 } },
  { type: "tool-progress", tool_call_id: "c", progress: { done: 1 } },
  { type: "truncated" },
];

const messages: RelayMessage[] = [
  { kind: "hello", protocol_version: protocolVersion, worker_id: "w", proof: "p" },
  { kind: "follow", stream: 1, ...episode("chat"), from_seq: 3 },
  { kind: "unfollow", stream: 1 },
  { kind: "parts", stream: 1, first_seq: 9, parts },
  {
    kind: "snapshot",
    stream: 1,
    seq: 4,
    parts: [
      { type: "text", text: "t" },
      {
        type: "tool-call",
        tool_call_id: "c",
        tool_name: "t",
        input: null,
        input_text: "{",
        partial: true,
      },
    ],
    truncated: false,
  },
  { kind: "closed", stream: 1 },
  { kind: "keep_alive" },
];

function refused(text: string): boolean {
  try {
    decodeFrame(text);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(RelayError);
    expect((error as RelayError).code).toBe("relay_protocol");
    return true;
  }
}

describe("frames of text alone", () => {
  const usual = { kind: "parts", stream: 1, first_seq: 9, parts: [parts[0], parts[1]] };

  it("are read as the schemas would, extra fields left out", () => {
    const extra = { ...usual, later: 1, parts: usual.parts.map((part) => ({ ...part, later: 1 })) };
    expect(decodeFrame(JSON.stringify([usual, extra]))).toEqual([usual, usual]);
    expect(decodeFrame("[]")).toEqual([]);
  });

  it.each([
    ["no parts", { parts: [] }],
    ["no list", { parts: {} }],
    ["a stream that is no count", { stream: 0 }],
    ["a seq that is no count", { first_seq: 1.5 }],
    ["a seq that is missing", { first_seq: undefined }],
    ["a delta that is no text", { parts: [{ type: "text", index: 0, delta: 1 }] }],
    ["an index below 0", { parts: [{ type: "text", index: -1, delta: "a" }] }],
  ])("are refused with %s", (_what, wrong) => {
    expect(refused(JSON.stringify([{ ...usual, ...wrong }]))).toBe(true);
  });
});

describe("frames", () => {
  it("carry every message as it is", () => {
    expect(decodeFrame(encodeFrame(messages.map(encodeMessage)))).toEqual(messages);
    expect(decodeFrame(encodeFrame([]))).toEqual([]);
    expect(decodeFrame(encodeFrame([encodeFollow(1, episode("chat"), 3)]))).toEqual([messages[1]]);
    const json = parts.map((part) => JSON.stringify(part));
    expect(decodeFrame(encodeFrame([encodeParts(1, 9, json.join())]))).toEqual([messages[3]]);
  });

  it("carry every type of live part that the protocol knows", () => {
    const seen = new Set(parts.map(({ type }) => type));
    const known = new Set(livePartSchema.options.map(({ shape }) => shape.type.value));
    expect([...known].filter((type) => !seen.has(type))).toEqual([]);
  });

  it("may hold what a later version knows: it is passed over", () => {
    expect(
      decodeFrame('[{"kind":"later","x":1},{"kind":"constructor"},{"kind":"keep_alive"}]'),
    ).toEqual([{ kind: "keep_alive" }]);
    expect(decodeFrame('[{"kind":"closed","stream":1,"why":"later"}]')).toEqual([
      { kind: "closed", stream: 1 },
    ]);
  });

  it.each([
    ["no JSON", "{"],
    ["no list", '{"kind":"keep_alive"}'],
    ["no kind", "[{}]"],
    ["a message that is a number", "[1]"],
    ["a field that is missing", '[{"kind":"unfollow"}]'],
    ["a seq below 1", '[{"kind":"parts","stream":1,"first_seq":0,"parts":[{"type":"truncated"}]}]'],
    ["no parts at all", '[{"kind":"parts","stream":1,"first_seq":1,"parts":[]}]'],
    [
      "a known part that is broken",
      '[{"kind":"parts","stream":1,"first_seq":1,"parts":[{"type":"text","index":0}]}]',
    ],
    [
      "a negative index",
      '[{"kind":"parts","stream":1,"first_seq":1,"parts":[{"type":"text","index":-1,"delta":"x"}]}]',
    ],
    [
      "a part without a type",
      '[{"kind":"snapshot","stream":1,"seq":1,"truncated":false,"parts":[{}]}]',
    ],
    [
      "a depth that exhausts the stack",
      `[{"kind":"parts","stream":1,"first_seq":1,"parts":[{"type":"tool-progress","tool_call_id":"","progress":${"[".repeat(50_000)}${"]".repeat(50_000)}}]}]`,
    ],
  ])("are refused with %s", (_what, text) => {
    expect(refused(text)).toBe(true);
  });

  it("make typed errors or messages of anything, and never tell what was in them", () => {
    const message = fc.constantFrom(...messages.map(encodeMessage));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(fc.jsonValue()).map((v) => JSON.stringify(v)),
        ),
        (text) => {
          refused(text);
        },
      ),
    );
    fc.assert(
      fc.property(message, fc.nat(), fc.string({ maxLength: 3 }), (text, at, patch) => {
        const place = at % (text.length + 1);
        refused(`[${text.slice(0, place)}${patch}${text.slice(place + patch.length)}]`);
      }),
    );
    const secretive =
      '[{"kind":"parts","stream":1,"first_seq":1,"parts":[{"type":"text","text":"my secret"}]}]';
    expect(() => decodeFrame(secretive)).toThrow(/^(?!.*secret)/);
  });
});

describe("versions", () => {
  it("work with those next to them", () => {
    const hello = (protocol_version: number) =>
      ({ kind: "hello", protocol_version, worker_id: "w" }) as const;
    expect(() => assertVersion(hello(protocolVersion))).not.toThrow();
    expect(() => assertVersion(hello(protocolVersion + 1))).not.toThrow();
    expect(() => assertVersion(hello(protocolVersion + 2))).toThrow(RelayError);
  });
});
