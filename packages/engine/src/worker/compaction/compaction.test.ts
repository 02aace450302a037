import type { Json, Part } from "@parley/protocol";
import { describe, expect, test } from "vitest";
import { messageIn } from "../../../test/rows.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { boundaryMessages } from "./boundary.ts";
import { conversationText } from "./conversation.ts";
import { isCompactionDue } from "./due.ts";
import { carriedInto, markOf, markPart } from "./mark.ts";
import { recoveriesMax, recoveryOf } from "./recovery.ts";
import { compactionRequest } from "./request.ts";
import { tokensInUse } from "./tokens.ts";
import { hasReplies, unanswered } from "./unanswered.ts";

let ids = 0;
const text = (value: string): Part[] => [{ type: "text", text: value }];
const entry = (
  role: MessageRow["role"],
  value: string,
  over: Partial<MessageRow> = {},
): MessageRow => messageIn({ id: ++ids, role, parts: text(value), ...over });
const user = (value: string, over: Partial<MessageRow> = {}): MessageRow =>
  entry("user", value, over);
const reply = (value: string, over: Partial<MessageRow> = {}): MessageRow =>
  entry("assistant", value, { finish_reason: "stop", ...over });
const calling = (over: Partial<MessageRow> = {}): MessageRow =>
  reply("", {
    parts: [{ type: "tool-call", tool_call_id: "c", tool_name: "look", input: { at: "x" } }],
    finish_reason: "tool_calls",
    ...over,
  });
const result = (output: Json): MessageRow =>
  messageIn({
    id: ++ids,
    role: "tool",
    parts: [{ type: "tool-result", tool_call_id: "c", tool_name: "look", output, is_error: false }],
  });
const boundary = (
  value = "in short",
  carried = { steps: 0, recoveries: 0, repairs: 0 },
): MessageRow =>
  messageIn({
    id: ++ids,
    role: "system",
    visibility: "model",
    is_boundary: true,
    parts: [...text(value), markPart(carried)],
  });
const counted = (input_tokens: number, output_tokens = 0): Partial<MessageRow> => ({
  usage: { input_tokens, output_tokens },
});

describe("messages that are not answered yet", () => {
  const said = (context: readonly MessageRow[]): unknown[] =>
    unanswered(context).map(({ parts }) => (parts[0] as { text: string }).text);

  test("are those after the last reply that ended a turn", () => {
    expect(said([user("a"), reply("1"), user("b")])).toEqual(["b"]);
    expect(said([user("a"), reply("1")])).toEqual([]);
    expect(said([boundary(), user("a"), user("b")])).toEqual(["a", "b"]);
  });

  test("are answered neither by a step in the middle of a turn, nor by a provider's pause", () => {
    expect(said([user("a"), reply("1"), user("b"), calling(), result("r")])).toEqual(["b"]);
    expect(said([user("a"), calling({ finish_reason: "stop" }), result("r"), user("b")])).toEqual([
      "a",
      "b",
    ]);
    expect(said([user("a"), reply("1", { finish_reason: "pause" })])).toEqual(["a"]);
  });

  test("are done with when the turn was stopped or cut off", () => {
    for (const finish_reason of ["interrupted", "length", "content_filter"] as const) {
      expect(said([user("a"), calling({ finish_reason }), result("r"), user("b")])).toEqual(["b"]);
    }
    const stopped = { ...result("cancelled"), finish_reason: "interrupted" as const };
    expect(said([user("a"), calling(), stopped, user("b")])).toEqual(["b"]);
  });
});

describe("a context is compacted by itself", () => {
  const due = (context: readonly MessageRow[], window = 1_000, percent = 70): boolean =>
    isCompactionDue(context, window, percent);

  test("from a share of the window on, by what the provider counted", () => {
    expect(due([user("a"), reply("1", counted(600, 99)), user("")])).toBe(false);
    expect(due([user("a"), reply("1", counted(600, 100)), user("")])).toBe(true);
    expect(due([user("a"), reply("1", counted(600, 100))], 1_000, 80)).toBe(false);
    expect(due([user("a"), reply("1", counted(600, 100))], 2_000)).toBe(false);
  });

  test("by an estimate of what has come since", () => {
    const context = [user("a"), reply("1", counted(100, 100)), user("x".repeat(1_996))];
    expect(tokensInUse(context)).toBe(699);
    expect(due(context)).toBe(false);
    expect(due([...context, user("x")])).toBe(true);
    expect(due([user("x".repeat(2_800)), reply("not counted")])).toBe(true);
  });

  test("with a picture in a result at what a picture costs, not at its length", () => {
    const picture = { type: "file", media_type: "image/png", data: "A".repeat(1_000_000) };
    const output = { content: [{ type: "text", text: "look" }, picture] };
    const context = [user("a"), calling(counted(100, 100)), result(output)];
    expect(tokensInUse(context)).toBeLessThan(2_000);
    expect(due(context, 10_000)).toBe(false);
  });

  test("never where it is turned off, or nothing was said that could be summarised", () => {
    expect(due([user("a"), reply("1", counted(900))], 1_000, 0)).toBe(false);
    expect(due([user("a"), reply("1", counted(900))], 0)).toBe(false);
    expect(due([boundary("s".repeat(4_000)), user("a")])).toBe(false);
  });

  test("again only when it has grown: a summary that helps nothing is not followed by another", () => {
    const start = [boundary(), user("a"), reply("1", counted(650, 50))];
    expect(due(start)).toBe(false);
    expect(due([...start, user("b"), reply("2", counted(800, 49))])).toBe(false);
    expect(due([...start, user("b"), reply("2", counted(800, 50))])).toBe(true);
  });
});

describe("an overflow", () => {
  test("is worth a compaction where there are replies to compact", () => {
    expect(recoveryOf([user("a"), reply("1"), user("b")], 70)).toEqual({ possible: true });
    expect(recoveryOf([user("a")], 70)).toEqual({ possible: false, message: null });
    expect(recoveryOf([user("a"), reply("1"), user("b")], 0)).toMatchObject({ possible: false });
  });

  test("directly after a compaction is an error that says so", () => {
    expect(recoveryOf([boundary(), user("a", { visibility: "model" })], 70)).toEqual({
      possible: false,
      message: expect.stringContaining("just been compacted"),
    });
  });

  test("is given up on when the turn overflows again and again, and begins anew with the user's next message", () => {
    const often = boundary("", { steps: 9, recoveries: recoveriesMax, repairs: 0 });
    const copy = user("a", { visibility: "model" });
    const context = [often, copy, calling(), result("r")];
    expect(recoveryOf(context, 70)).toMatchObject({ possible: false });
    expect(recoveryOf([...context, user("b")], 70)).toEqual({ possible: true });
  });
});

test("what a boundary carries over counts until a user writes", () => {
  const marked = boundary("", { steps: 7, recoveries: 2, repairs: 0 });
  const copy = user("a", { visibility: "model" });
  expect(markOf([marked])).toEqual({ steps: 7, recoveries: 2, repairs: 0 });
  expect(markOf([messageIn({ is_boundary: true, parts: text("cleared") })])).toBeNull();
  expect(carriedInto([marked, copy])).toEqual({ steps: 7, recoveries: 2, repairs: 0 });
  expect(carriedInto([marked, copy, user("b")])).toEqual({ steps: 0, recoveries: 0, repairs: 0 });
  expect(carriedInto([user("a")])).toEqual({ steps: 0, recoveries: 0, repairs: 0 });
});

describe("the conversation as text", () => {
  const long = (n: number): string => "word ".repeat(n);

  test("names who said what, with files as notes and without what a model thought", () => {
    const file = {
      type: "file",
      media_type: "image/png",
      data: "aaaa",
      filename: "a.png",
    } as const;
    const context = [
      user("", { parts: [...text("look"), file] }),
      calling(),
      result("found"),
      result({ content: [{ type: "text", text: "seen" }, file] }),
      reply("done", { parts: [{ type: "reasoning", text: "hm" }, ...text("done")] }),
    ];
    const told = conversationText(context, 10_000);
    expect(told).toBe(
      [
        "[User]\nlook\n(a file was here: a.png, image/png)",
        '[Assistant]\ncalls look with {"at":"x"}',
        "[Results]\nlook gave: found",
        "[Results]\nlook gave: seen\n[file a.png]",
        "[Assistant]\ndone",
      ].join("\n\n"),
    );
    expect(told).not.toContain("aaaa");
  });

  test("loses the inside of long results first", () => {
    const context = [user("first"), calling(), result(`head ${long(5_000)} tail`), reply("last")];
    const told = conversationText(context, 6_000);
    expect(Buffer.byteLength(told)).toBeLessThanOrEqual(6_000);
    for (const kept of ["first", "head", "tail", "last", "cut to"]) expect(told).toContain(kept);
  });

  test("then the oldest messages, and says so; what came before in short stays", () => {
    const context = [
      boundary("the summary before"),
      ...Array.from({ length: 50 }, (_, i) => user(`message ${i}. ${long(100)}`)),
    ];
    const told = conversationText(context, 4_000);
    expect(Buffer.byteLength(told)).toBeLessThanOrEqual(4_000);
    expect(told).toContain("the summary before");
    expect(told).toContain("older messages are left out");
    expect(told).toContain("message 49.");
    expect(told).not.toContain("message 0.");
  });

  test("fits whatever there is", () => {
    for (const bytesMax of [200, 1_000, 5_000, 50_000]) {
      const context = [
        boundary(long(4_000)),
        user(long(4_000)),
        calling(),
        result(long(4_000)),
        reply(long(100)),
      ];
      expect(Buffer.byteLength(conversationText(context, bytesMax))).toBeLessThanOrEqual(bytesMax);
    }
  });
});

test("the call offers no tools, and asks for half when it was too long", () => {
  const context = [user("first"), reply("x ".repeat(20_000)), user("last")];
  const { signal } = new AbortController();
  const whole = compactionRequest(context, "test/model", 20_000, 0, signal);
  const half = compactionRequest(context, "test/model", 20_000, 1, signal);
  const size = (request: typeof whole): number => JSON.stringify(request.messages).length;
  expect(whole).toMatchObject({ tools: [], purpose: "compaction" });
  expect(size(half)).toBeLessThan(size(whole));
  expect(JSON.stringify(whole.messages)).toContain("not answered yet");
});

test("a boundary: the summary, copies for the model only, and what people see", () => {
  const asked = user("and now?", { model: "test/other", client_id: "mine" });
  const key = { chat_id: "x", history_version: 4, generation_attempt: 2 };
  const summary = { text: " in \0short ", model: "test/model", usage: { input_tokens: 5 } };
  const rows = boundaryMessages(key, "asked", summary, [asked], {
    steps: 3,
    recoveries: 0,
    repairs: 0,
  });
  expect(rows.map(({ role, visibility }) => [role, visibility])).toEqual([
    ["system", "model"],
    ["user", "model"],
    ["assistant", "user"],
    ["tool", "user"],
  ]);
  expect(rows.map(({ is_boundary }) => is_boundary === true)).toEqual([true, false, false, false]);
  expect(rows[1]).toMatchObject({ parts: asked.parts, model: "test/other" });
  expect(rows[1]).not.toHaveProperty("client_id");
  expect(rows[3]?.parts).toMatchObject([
    { tool_call_id: "compaction_4_2", output: "in \ufffdshort" },
  ]);
  expect(hasReplies(rows.filter(({ visibility }) => visibility !== "user") as never)).toBe(false);
});
