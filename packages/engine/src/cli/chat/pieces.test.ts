import type { Part } from "@parley/protocol";
import { expect, test } from "vitest";
import { piecesOf } from "./pieces.ts";

const call = (input: object): Part => ({
  type: "tool-call",
  tool_call_id: "c1",
  tool_name: "edit",
  input: input as never,
});

test("a call reads the same as it arrives and as the database gives it back: keys have one order", () => {
  const arrived = call({
    path: "a",
    old_text: "b",
    new_text: "c",
    in: { zz: 1, y: [{ b: 1, a: 2 }] },
  });
  const stored = call({
    in: { y: [{ a: 2, b: 1 }], zz: 1 },
    path: "a",
    new_text: "c",
    old_text: "b",
  });
  expect(piecesOf([arrived])).toEqual(piecesOf([stored]));
  expect(piecesOf([stored])[0]?.text).toBe(
    '→ edit({"in":{"y":[{"a":2,"b":1}],"zz":1},"path":"a","new_text":"c","old_text":"b"})',
  );
});

test("an outcome is one line, and says what is wrong first", () => {
  const part = { type: "structured-output", value: 1 } as const;
  const errors = [{ path: "/n", message: "must be integer" }];
  const shown = piecesOf([
    { ...part, outcome: "valid" },
    { ...part, outcome: "invalid", errors, repairing: true },
  ]);
  expect(shown.map(({ text }) => text)).toEqual([
    "✓ the result fits its schema",
    "✗ the result does not fit its schema: /n must be integer (asking again)",
  ]);
});
