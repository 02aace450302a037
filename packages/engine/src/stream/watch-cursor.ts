import type { DatabaseIdentity } from "../postgres/identity.ts";
import { InvalidCursor } from "./cursor.ts";
import { fnv1a } from "./digest.ts";

/** A place in the stream of a principal's list. */
export interface WatchPosition {
  /** What was changed by transactions before this one has been told. */
  readonly xmin: bigint;
  /** Database time of the read, milliseconds since 1970: deletions are remembered for a while only. */
  readonly readAt: number;
}

export interface WatchScope {
  readonly ownerId: string;
  readonly database: DatabaseIdentity;
}

const version = "w1";
const separator = ".";
const cursorCharsMax = 256;
const fieldPattern = /^[0-9a-z]{1,13}$/;

export function encodeWatchCursor(scope: WatchScope, position: WatchPosition): string {
  const body = [
    version,
    scope.ownerId.replaceAll("-", ""),
    BigInt(scope.database.systemIdentifier).toString(36),
    scope.database.timeline.toString(36),
    position.xmin.toString(36),
    position.readAt.toString(36),
  ].join(separator);
  return body + separator + fnv1a(body).toString(36);
}

/**
 * Null: of this list, but of another database.
 *
 * @throws InvalidCursor for garbage and for the cursor of another principal's list.
 */
export function decodeWatchCursor(scope: WatchScope, cursor: string): WatchPosition | null {
  const end = cursor.lastIndexOf(separator);
  const body = cursor.slice(0, end);
  const fields = body.split(separator);
  const sound =
    cursor.length <= cursorCharsMax &&
    end > 0 &&
    fnv1a(body).toString(36) === cursor.slice(end + 1) &&
    fields.length === 6 &&
    fields[0] === version &&
    fields.slice(2).every((field) => fieldPattern.test(field));
  if (!sound) throw new InvalidCursor("it is garbled");
  const [, owner, system, timeline, xmin = "", readAt = ""] = fields;
  if (owner !== scope.ownerId.replaceAll("-", "")) {
    throw new InvalidCursor("it belongs to another list");
  }
  const { systemIdentifier } = scope.database;
  const same =
    system === BigInt(systemIdentifier).toString(36) &&
    timeline === scope.database.timeline.toString(36);
  return same ? { xmin: bigintOf(xmin), readAt: parseInt(readAt, 36) } : null;
}

function bigintOf(base36: string): bigint {
  let value = 0n;
  for (const digit of base36) value = value * 36n + BigInt(parseInt(digit, 36));
  return value;
}
