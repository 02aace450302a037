import type { Part } from "@parley/protocol";
import { expect, test } from "vitest";
import type { FileRow } from "../../domain/files.ts";
import { isUpload, planFiles, textBytesMax, uploadsIn, type UploadedPart } from "./plan.ts";

const upload = (file_id: string): UploadedPart => ({
  type: "file",
  media_type: "image/png",
  file_id,
});
const row = (id: string, media_type: string, size_bytes: number, expired = false): FileRow => ({
  id,
  owner_id: "o",
  name: id,
  media_type,
  size_bytes,
  sha256: new Uint8Array(32),
  created_at: new Date(0),
  expires_at: null,
  expired,
});
const rows = (...all: FileRow[]): Map<string, FileRow> => new Map(all.map((one) => [one.id, one]));

const plansOf = (ids: string[], known: Map<string, FileRow>, bytesMax: number): unknown[] => {
  const uploads = ids.map(upload);
  const plans = planFiles(uploads, known, bytesMax);
  return uploads.map((part) => {
    const plan = plans.get(part);
    return plan?.how === "read" ? plan.bytes : plan?.how;
  });
};

test("only parts that name an upload are one", () => {
  const inline: Part = { type: "file", media_type: "image/png", data: "aGk=" };
  expect(isUpload(inline)).toBe(false);
  const a = upload("a");
  expect(uploadsIn([{ parts: [inline, a] }, { parts: [] }, { parts: [a] }])).toEqual([a, a]);
});

test("the newest come first, up to what a prompt may hold; a smaller older one may still fit", () => {
  const known = rows(
    row("a", "image/png", 3),
    row("b", "image/png", 60),
    row("c", "image/png", 50),
  );
  expect(plansOf(["a", "b", "c"], known, 100)).toEqual([3, "no_room", 50]);
  expect(plansOf(["a", "b", "c"], known, 113)).toEqual([3, 60, 50]);
  expect(plansOf(["a"], known, 0)).toEqual(["no_room"]);
});

test("a file that is named twice is sent twice, and counted so", () => {
  const known = rows(row("a", "image/png", 60));
  expect(plansOf(["a", "a"], known, 100)).toEqual(["no_room", 60]);
  expect(plansOf(["a", "a"], known, 120)).toEqual([60, 60]);
});

test("of a long text the beginning is read; of what no provider takes, nothing", () => {
  const long = row("a", "text/csv", 10 * textBytesMax);
  const known = rows(long, row("b", "application/zip", 10), row("c", "image/svg+xml", 7));
  expect(plansOf(["a", "b", "c"], known, textBytesMax + 7)).toEqual([textBytesMax, "name", 7]);
});

test("what has expired, or is none of this chat's, is not read", () => {
  const known = rows(row("a", "image/png", 1, true));
  expect(plansOf(["a", "x"], known, 100)).toEqual(["expired", "expired"]);
});
