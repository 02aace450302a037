/** As much of PostgreSQL's wire protocol (version 3) as stands between the driver and the simulated server. */

/** One message: its type, and the whole of it, type and length included. */
export interface Frame {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream of bytes into messages. The first one of a client has no type: it is called `startup`. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #started: boolean;

  constructor(started = false) {
    this.#started = started;
  }

  read(bytes: Buffer): Frame[] {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      const head = this.#started ? 1 : 0;
      if (rest.length < head + 4) break;
      const length = head + rest.readInt32BE(head);
      if (rest.length < length) break;
      const type = this.#started ? String.fromCharCode(rest[0] ?? 0) : "startup";
      frames.push({ type, bytes: rest.subarray(0, length) });
      rest = rest.subarray(length);
      this.#started = true;
    }
    this.#rest = rest;
    return frames;
  }
}

export function framesOf(bytes: Buffer): Frame[] {
  return new FrameReader(true).read(bytes);
}

export function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Texts, each with its zero byte. */
export function zeroEnded(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\0`).join(""), "utf8");
}

export function textsOf(body: Buffer, count: number): string[] {
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = body.indexOf(0, at);
    if (end < 0) break;
    texts.push(body.toString("utf8", at, end));
    at = end + 1;
  }
  return texts;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export const queryFrame = (text: string): Buffer => frame("Q", zeroEnded(text));
export const parseComplete = frame("1", Buffer.alloc(0));
export const readyIdle = frame("Z", Buffer.from("I"));

export interface ServerError {
  readonly severity: "ERROR" | "FATAL";
  readonly sqlState: string;
  readonly message: string;
}

export function errorFrame({ severity, sqlState, message }: ServerError): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${sqlState}`, `M${message}`];
  return frame("E", Buffer.concat([zeroEnded(...fields), Buffer.from([0])]));
}

/** The message of an error or a notice. */
export function messageOfNotice(bytes: Buffer): string {
  let at = 5;
  while (at < bytes.length && bytes[at] !== 0) {
    const end = bytes.indexOf(0, at);
    if (bytes[at] === 0x4d) return bytes.toString("utf8", at + 1, end);
    at = end + 1;
  }
  return "";
}

/** The rows of an answer, by column name, as text; null where there is none. */
export function rowsOf(answer: Buffer): Record<string, string | null>[] {
  let columns: string[] = [];
  const rows: Record<string, string | null>[] = [];
  for (const { type, bytes } of framesOf(answer)) {
    if (type === "E") throw new Error(messageOfNotice(bytes));
    if (type === "T") columns = columnsOf(bytes);
    if (type === "D") rows.push(rowOf(bytes, columns));
  }
  return rows;
}

function columnsOf(bytes: Buffer): string[] {
  const columns: string[] = [];
  let at = 7;
  for (let i = bytes.readInt16BE(5); i > 0; i--) {
    const end = bytes.indexOf(0, at);
    columns.push(bytes.toString("utf8", at, end));
    at = end + 1 + 18;
  }
  return columns;
}

function rowOf(bytes: Buffer, columns: readonly string[]): Record<string, string | null> {
  const row: Record<string, string | null> = {};
  let at = 7;
  for (const column of columns) {
    const length = bytes.readInt32BE(at);
    at += 4;
    row[column] = length < 0 ? null : bytes.toString("utf8", at, at + length);
    if (length > 0) at += length;
  }
  return row;
}
