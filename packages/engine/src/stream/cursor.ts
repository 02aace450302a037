import { ParleyError } from "../lib/errors.ts";
import type { DatabaseIdentity } from "../postgres/identity.ts";
import { base36 } from "./base36.ts";
import { fnv1a } from "./digest.ts";

/**
 * A place in one chat's stream: what a client that got everything up to here has, and therefore what is still to be
 * sent to it. Pure data; the cursor is its written form.
 */
export interface Position {
  /** Messages with smaller ids are not sent: they come over REST. 0: the stream began with the first message. */
  readonly low: number;
  /** The last message sent, in (revision, id) order; `allOfRevision` where all up to the revision were. */
  readonly revision: number;
  readonly message_id: number;
  /** Deletions up to this snapshot have been told. */
  readonly snapshot: number;
  /** What was last said of status, error and pending actions; `unsaid` where nothing was. */
  readonly status: string;
  readonly error: string;
  readonly actions: string;
  /** -1: not said. */
  readonly queue: number;
  /** The retry notice that is shown; 0: none. */
  readonly retry: number;
  /** -1: not said. */
  readonly metadata: number;
  /** The preview that is on the screen. */
  readonly preview: PreviewPosition | null;
}

export interface PreviewPosition {
  readonly history_version: number;
  readonly generation_attempt: number;
  readonly seq: number;
}

export const allOfRevision = Number.MAX_SAFE_INTEGER;
export const unsaid = "0";

/** Where a stream without a cursor begins. */
export const nowhere: Position = {
  low: 0,
  revision: 0,
  message_id: 0,
  snapshot: 0,
  status: unsaid,
  error: unsaid,
  actions: unsaid,
  queue: -1,
  retry: 0,
  metadata: -1,
  preview: null,
};

/** What all cursors of one chat in one database have in common. */
export interface CursorScope {
  readonly chatId: string;
  readonly database: DatabaseIdentity;
}

export class InvalidCursor extends ParleyError {
  constructor(reason: string) {
    super("invalid_cursor", `The cursor is not one of this stream: ${reason}.`, {
      details: { reason },
    });
  }
}

const version = "p1";
const separator = ".";

/**
 * Everything of a cursor but the seq of its preview. Cursors of live parts differ only in that, and there are
 * thousands of them a second: their common beginning is written and hashed once.
 */
export class CursorPrefix {
  readonly text: string;
  readonly #hash: number;

  constructor(scope: CursorScope, position: Position) {
    const { preview } = position;
    const all = position.message_id === allOfRevision;
    const fields = [
      version,
      scope.chatId.replaceAll("-", ""),
      identityField(scope.database),
      number(position.low),
      number(position.revision),
      // No message has the id 0.
      number(all ? 0 : position.message_id),
      number(position.snapshot),
      position.status,
      position.error,
      position.actions,
      number(position.queue + 1),
      number(position.retry),
      number(position.metadata + 1),
      number(preview?.history_version ?? 0),
      number(preview?.generation_attempt ?? 0),
    ];
    this.text = [...fields, ""].join(separator);
    this.#hash = fnv1a(this.text);
  }

  cursor(seq: number): string {
    return this.text + this.tail(seq);
  }

  /** What follows `text`. */
  tail(seq: number): string {
    const last = base36(seq);
    return last + separator + base36(fnv1a(last, this.#hash));
  }
}

export function encodeCursor(scope: CursorScope, position: Position): string {
  return new CursorPrefix(scope, position).cursor(position.preview?.seq ?? 0);
}

/** The longest cursor that can be ours; anything longer is not even looked at. */
const cursorCharsMax = 512;

const numberPattern = /^[0-9a-z]{1,11}$/;
const digestPattern = /^[0-9a-z]{1,16}$/;

/**
 * The position that a cursor names. Null: it is of this chat, but of another database (a failover to another timeline, a
 * restored copy), where its versions mean nothing.
 *
 * @throws InvalidCursor for garbage and for the cursor of another chat.
 */
export function decodeCursor(scope: CursorScope, cursor: string): Position | null {
  if (cursor.length > cursorCharsMax) throw new InvalidCursor("it is too long");
  const end = cursor.lastIndexOf(separator);
  const body = cursor.slice(0, end);
  if (end < 0 || fnv1a(body).toString(36) !== cursor.slice(end + 1)) {
    throw new InvalidCursor("it is garbled");
  }
  const fields = body.split(separator);
  if (fields[0] !== version || fields.length !== 16) throw new InvalidCursor("it is garbled");
  if (fields[1] !== scope.chatId.replaceAll("-", "")) {
    throw new InvalidCursor("it belongs to another chat");
  }
  const position = positionOf(fields);
  return fields[2] === identityField(scope.database) ? position : null;
}

function positionOf(fields: readonly string[]): Position {
  const at = (i: number): number => {
    const field = fields[i] ?? "";
    const value = numberPattern.test(field) ? parseInt(field, 36) : NaN;
    if (!Number.isSafeInteger(value)) throw new InvalidCursor("it is garbled");
    return value;
  };
  const digest = (i: number): string => {
    const field = fields[i] ?? "";
    if (!digestPattern.test(field)) throw new InvalidCursor("it is garbled");
    return field;
  };
  const revision = at(4);
  const messageId = at(5);
  const snapshot = at(6);
  if (revision > snapshot) throw new InvalidCursor("it is garbled");
  return {
    low: at(3),
    revision,
    message_id: messageId === 0 && revision > 0 ? allOfRevision : messageId,
    snapshot,
    status: digest(7),
    error: digest(8),
    actions: digest(9),
    queue: at(10) - 1,
    retry: at(11),
    metadata: at(12) - 1,
    preview: previewOf(at(13), at(14), at(15)),
  };
}

function previewOf(version: number, attempt: number, seq: number): PreviewPosition | null {
  if (version === 0) return null;
  return { history_version: version, generation_attempt: attempt, seq };
}

function identityField({ systemIdentifier, timeline }: DatabaseIdentity): string {
  return `${BigInt(systemIdentifier).toString(36)}-${number(timeline)}`;
}

function number(value: number): string {
  return value.toString(36);
}

/** Orders places in the sequence of message changes. */
export function isAfter(
  a: Pick<Position, "revision" | "message_id">,
  b: Pick<Position, "revision" | "message_id">,
): boolean {
  return a.revision > b.revision || (a.revision === b.revision && a.message_id > b.message_id);
}
