import { expect, test } from "vitest";
import type { MessageRow } from "../domain/rows.ts";
import { Histories } from "./histories.ts";
import { emptyTranscript, extended, type Transcript } from "./tasks/transcript.ts";

const message = (id: number, text: string): MessageRow =>
  ({
    id,
    role: "user",
    visibility: "both",
    parts: [{ type: "text", text }],
    is_boundary: false,
  }) as unknown as MessageRow;

const transcript = (version: number, ...texts: string[]): Transcript =>
  extended(
    emptyTranscript,
    version,
    texts.map((text, at) => message(at + 1, text)),
    [],
  );

test("a history is given for exactly the version that it was remembered under", () => {
  const histories = new Histories();
  const kept = transcript(3, "a", "b");
  histories.remember("chat", kept);
  expect(histories.at("chat", 3)).toBe(kept);
  expect(histories.at("chat", 2)).toBeNull();
  expect(histories.at("chat", 4)).toBeNull();
  expect(histories.at("other", 3)).toBeNull();
});

test("an older version never takes the place of a newer one", () => {
  const histories = new Histories();
  const newer = transcript(5, "new");
  histories.remember("chat", newer);
  histories.remember("chat", transcript(4, "old"));
  expect(histories.at("chat", 5)).toBe(newer);
});

test("the least recently used go first, and the bound on bytes holds", () => {
  const text = "x".repeat(10_000);
  const histories = new Histories(70_000);
  for (const chat of ["a", "b", "c"]) histories.remember(chat, transcript(1, text));
  expect(histories.size).toBe(3);
  expect(histories.at("a", 1)).not.toBeNull();
  histories.remember("d", transcript(1, text));
  expect(["a", "b", "c", "d"].filter((chat) => histories.at(chat, 1) !== null)).toEqual([
    "a",
    "c",
    "d",
  ]);
  expect(histories.bytes).toBeLessThanOrEqual(70_000);
  histories.remember("e", transcript(1, text.repeat(10)));
  expect(histories.at("e", 1)).toBeNull();
  expect(histories.size).toBe(3);
});

test("a history that grew is counted as one that came whole; what is forgotten is not counted", () => {
  const [grown, whole] = [new Histories(), new Histories()];
  const first = transcript(1, "one");
  grown.remember("chat", first);
  const second = extended(first, 2, [message(2, "two")], []);
  grown.remember("chat", second);
  whole.remember("chat", second);
  expect(grown.bytes).toBe(whole.bytes);
  grown.forget("chat");
  expect(grown.bytes).toBe(0);
  whole.forgetAll();
  expect([whole.bytes, whole.size]).toEqual([0, 0]);
});
