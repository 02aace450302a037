import { z } from "zod";
import type { ChatHint } from "../domain/commit.ts";

/**
 * `[version, origin, [[chat_id, snapshot_version, metadata_version, unowned], …]]` as JSON. Replicas of adjacent
 * versions hear each other: what a later one adds stands behind this, and is passed over.
 */
const wireVersion = 1;

const hintSchema = z
  .tuple([z.uuid(), z.int(), z.int(), z.union([z.literal(0), z.literal(1)])])
  .rest(z.unknown());

const batchSchema = z
  .tuple([
    z
      .int()
      .min(wireVersion - 1)
      .max(wireVersion + 1),
    z.string(),
    z.array(hintSchema),
  ])
  .rest(z.unknown());

export interface ReceivedBatch {
  /** The replica that sent it. */
  readonly origin: string;
  readonly hints: readonly ChatHint[];
}

/** What every payload of a replica begins with, and nobody else's: it hears its own, too. */
export function headOf(origin: string): string {
  return `[${wireVersion},${JSON.stringify(origin)},[`;
}

/** The hints as payloads of at most `payloadBytesMax` bytes each; everything in them is ASCII. */
export function encodeHints(
  origin: string,
  hints: readonly ChatHint[],
  payloadBytesMax: number,
): string[] {
  const head = headOf(origin);
  const payloads: string[] = [];
  let rows = "";
  for (const hint of hints) {
    const row = JSON.stringify([
      hint.chat_id,
      hint.snapshot_version,
      hint.metadata_version,
      hint.unowned ? 1 : 0,
    ]);
    if (rows !== "" && head.length + rows.length + 1 + row.length + 2 > payloadBytesMax) {
      payloads.push(`${head}${rows}]]`);
      rows = "";
    }
    rows += rows === "" ? row : `,${row}`;
  }
  if (rows !== "") payloads.push(`${head}${rows}]]`);
  return payloads;
}

/** That the replica is there, and nothing else: no hints, which every version understands. */
export function encodeAnnouncement(origin: string): string {
  return `${headOf(origin)}]]`;
}

/** Null for what is not ours, or of a version that is not next to this one. */
export function decodeHints(payload: string): ReceivedBatch | null {
  let json: unknown;
  try {
    json = JSON.parse(payload);
  } catch {
    return null;
  }
  const parsed = batchSchema.safeParse(json);
  if (!parsed.success) return null;
  const [, origin, rows] = parsed.data;
  return {
    origin,
    hints: rows.map(([chat_id, snapshot_version, metadata_version, unowned]) => ({
      chat_id,
      snapshot_version,
      metadata_version,
      unowned: unowned === 1,
    })),
  };
}
