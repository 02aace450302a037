import type { EventData } from "@parley/protocol";
import { messageOf } from "../domain/representation.ts";
import type { MessageRow } from "../domain/rows.ts";
import type { EncodedEvent } from "./ports.ts";

/** What an event says, serialized once for all who get it, whatever their cursors. */
export class Payload {
  readonly type: string;
  /** A message after which the model's context starts anew. */
  readonly boundary: boolean;
  #data: unknown;
  #json: string | undefined;

  constructor(type: string, data: unknown, boundary = false) {
    this.type = type;
    this.boundary = boundary;
    this.#data = data;
  }

  json(): string {
    if (this.#json === undefined) {
      this.#json = JSON.stringify(this.#data);
      this.#data = undefined;
    }
    return this.#json;
  }
}

/** A message is sent to many joiners over its time in the feed's memory. */
const messages = new WeakMap<MessageRow, Payload>();

export function messagePayload(row: MessageRow): Payload {
  let payload = messages.get(row);
  if (!payload) {
    const data: EventData<"message"> = messageOf(row);
    messages.set(row, (payload = new Payload("message", data, row.is_boundary)));
  }
  return payload;
}

/** A payload with a cursor. Both are made when first asked for. */
export class Encoded implements EncodedEvent {
  readonly isPlain = false;
  readonly #payload: Payload;
  readonly #makeCursor: (() => string) | null;
  #cursor: string | undefined;
  #json: string | undefined;

  /** `makeCursor` null: an event that says nothing lasting. */
  constructor(payload: Payload, makeCursor: (() => string) | null) {
    this.#payload = payload;
    this.#makeCursor = makeCursor;
  }

  get type(): string {
    return this.#payload.type;
  }

  get cursor(): string | undefined {
    if (this.#makeCursor !== null) this.#cursor ??= this.#makeCursor();
    return this.#cursor;
  }

  json(): string {
    if (this.#json === undefined) {
      const { cursor } = this;
      // Cursors are made of letters, digits, dots and dashes: nothing to escape.
      const named = cursor === undefined ? "" : `"cursor":"${cursor}",`;
      this.#json = `{"type":"${this.type}",${named}"data":${this.dataJson()}}`;
    }
    return this.#json;
  }

  dataJson(): string {
    return this.#payload.json();
  }
}
