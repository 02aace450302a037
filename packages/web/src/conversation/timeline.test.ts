import type { Preview } from "@parley/client";
import type { Message, Part } from "@parley/protocol";
import { expect, test } from "vitest";
import { Timeline, type Row } from "./timeline.ts";

const chat_id = "00000000-0000-7000-8000-000000000001";

function message(
  id: number,
  role: Message["role"],
  parts: Part[],
  over: Partial<Message> = {},
): Message {
  return {
    id,
    chat_id,
    role,
    visibility: "both",
    revision: id,
    parts,
    model: null,
    usage: null,
    finish_reason: role === "assistant" ? "stop" : null,
    episode: null,
    is_boundary: false,
    replaces: null,
    client_id: null,
    created_by: null,
    created_at: "2026-01-01T00:00:00.000Z",
    ...over,
  };
}

const text = (said: string): Part => ({ type: "text", text: said });
const call = (id: string): Part => ({
  type: "tool-call",
  tool_call_id: id,
  tool_name: "search",
  input: {},
});
const result = (id: string, output: string): Part => ({
  type: "tool-result",
  tool_call_id: id,
  tool_name: "search",
  output,
  is_error: false,
});
const preview = (over: Partial<Preview>): Preview => ({
  history_version: 5,
  generation_attempt: 1,
  seq: 1,
  parts: [],
  truncated: false,
  progress: {},
  ...over,
});
const outcomesOf = (row: Row | undefined) =>
  row?.kind === "assistant" ? Object.fromEntries(row.outcomes) : null;

test("a tool's result is shown with its call, and takes no row of its own", () => {
  const rows = new Timeline().rowsOf(
    {
      messages: [
        message(1, "user", [text("find it")]),
        message(2, "assistant", [text("looking"), call("a"), call("b")]),
        message(3, "tool", [result("a", "here")]),
        message(4, "assistant", [text("found")]),
      ],
      preview: null,
    },
    [],
  );
  expect(rows.map(({ kind }) => kind)).toEqual(["user", "assistant", "assistant"]);
  expect(outcomesOf(rows[1])).toMatchObject({
    a: { result: { output: "here" } },
    b: { result: null },
  });
  expect(rows.map((row) => row.kind === "assistant" && row.isLast)).toEqual([false, false, true]);
});

test("while tools run, their results and progress stand with the calls", () => {
  const messages = [
    message(1, "user", [text("go")]),
    message(2, "assistant", [call("a"), call("b")]),
  ];
  const live = preview({ parts: [result("a", "done")], progress: { b: { waited: 1, of: 3 } } });
  const rows = new Timeline().rowsOf({ messages, preview: live }, []);
  expect(rows).toHaveLength(2);
  expect(outcomesOf(rows[1])).toMatchObject({
    a: { result: { output: "done" } },
    b: { result: null, progress: { waited: 1 } },
  });
});

test("a reply keeps its key when it is committed, so that it stays where it is", () => {
  const timeline = new Timeline();
  const asked = message(1, "user", [text("hello")]);
  const live = timeline.rowsOf(
    { messages: [asked], preview: preview({ parts: [text("hi")] }) },
    [],
  );
  const episode = { history_version: 5, generation_attempt: 1 };
  const done = timeline.rowsOf(
    { messages: [asked, message(2, "assistant", [text("hi there")], { episode })], preview: null },
    [],
  );
  expect(live.map(({ key }) => key)).toEqual(done.map(({ key }) => key));
  expect(live[1]).toMatchObject({ kind: "assistant", message: null });
});

test("a part that arrives leaves the rows of finished messages the same objects", () => {
  const timeline = new Timeline();
  const messages = [
    message(1, "user", [text("one")]),
    message(2, "assistant", [call("a")]),
    message(3, "tool", [result("a", "x")]),
  ];
  const before = timeline.rowsOf({ messages, preview: preview({ parts: [text("a")] }) }, []);
  const after = timeline.rowsOf(
    { messages, preview: preview({ seq: 2, parts: [text("ab")] }) },
    [],
  );
  expect(after.slice(0, 2).every((row, at) => row === before[at])).toBe(true);
  expect(after[2]).not.toBe(before[2]);
  // Asked again for the same: the same list.
  const same = { messages, preview: preview({ seq: 3, parts: [text("abc")] }) };
  const pending: [] = [];
  expect(timeline.rowsOf(same, pending)).toBe(timeline.rowsOf(same, pending));
  // One more message: those before it are still the same.
  const more = timeline.rowsOf(
    { messages: [...messages, message(4, "user", [text("more")])], preview: null },
    [],
  );
  expect(more[0]).toBe(before[0]);
});

test("a compaction is one row, while it runs and after", () => {
  const timeline = new Timeline();
  const progress = {
    x: { tool_name: "compact_context", state: "running", reason: "asked", chars: 12 },
  };
  const running = timeline.rowsOf({ messages: [], preview: preview({ progress }) }, []);
  expect(running).toMatchObject([
    { kind: "compaction", reason: "asked", summary: null, chars: 12 },
  ]);
  const id = { tool_call_id: "c", tool_name: "compact_context" };
  const done = timeline.rowsOf(
    {
      messages: [
        message(7, "assistant", [{ type: "tool-call", ...id, input: { reason: "overflow" } }]),
        message(8, "tool", [{ type: "tool-result", ...id, output: "In short.", is_error: false }]),
      ],
      preview: null,
    },
    [],
  );
  expect(done).toMatchObject([{ kind: "compaction", reason: "overflow", summary: "In short." }]);
});

test("what is being sent stands at the end, unless it is for the queue", () => {
  const pending = (client_id: string, when_busy: "queue" | "steer" | "interrupt" | undefined) =>
    ({ client_id, content: "x", when_busy, state: "sending", error: null }) as const;
  const rows = new Timeline().rowsOf({ messages: [], preview: null }, [
    pending("a", undefined),
    pending("b", "queue"),
    pending("c", "steer"),
    pending("d", "interrupt"),
  ]);
  expect(rows.map(({ key }) => key)).toEqual(["pending-a", "pending-d"]);
});
