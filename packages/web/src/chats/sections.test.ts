import type { Chat } from "@parley/protocol";
import { expect, test } from "vitest";
import { sectionsOf } from "./sections.ts";

const now = new Date(2026, 5, 15, 9, 30);
const chat = (id: string, daysAgo: number, pinned = false): Chat =>
  ({
    id,
    pinned,
    last_message_at: new Date(2026, 5, 15 - daysAgo, 9, 0).toISOString(),
  }) as Chat;

function shown(chats: Chat[]): string[] {
  return sectionsOf(chats, now).map((row) => (row.kind === "heading" ? row.text : row.chat.id));
}

test("pinned chats come first, whatever their age, and the others by it", () => {
  expect(
    shown([
      chat("a", 0),
      chat("b", 0),
      chat("c", 1),
      chat("d", 3, true),
      chat("e", 5),
      chat("f", 20),
    ]),
  ).toEqual(
    [
      ["Pinned", "d"],
      ["Today", "a", "b"],
      ["Yesterday", "c"],
      ["Previous 7 days", "e"],
      ["Previous 30 days", "f"],
    ].flat(),
  );
});

test("what is older is told by its month", () => {
  const [heading] = shown([chat("a", 100)]);
  expect(heading).toMatch(/2026/);
});

test("every row has a key of its own, and no chat means no heading", () => {
  const rows = sectionsOf([chat("a", 0), chat("b", 1), chat("c", 1)], now);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  expect(sectionsOf([], now)).toEqual([]);
});
