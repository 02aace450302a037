import type { StreamCloseReason } from "@parley/protocol";
import type { ChatRow } from "../domain/rows.ts";

/** One event, serialized at most once however many subscribers get it. */
export interface EncodedEvent {
  readonly type: string;
  /** Resumes directly after this event; undefined only on events that say nothing lasting. */
  readonly cursor: string | undefined;
  /** Its JSON is known to be plain ASCII: a byte for each of its characters. */
  readonly isPlain: boolean;
  /** `{"type", "cursor"?, "data"}` */
  json(): string;
  /** `data` alone. */
  dataJson(): string;
}

/** A transport's side of one stream. Neither call may throw; neither is made after `close`. */
export interface Sink {
  /** At most `limits.frameEventsMax` events. False: stop until `drained()`. */
  write(events: readonly EncodedEvent[]): boolean;
  close(reason: StreamCloseReason): void;
}

/** The stream's side, for the transport. */
export interface Subscription {
  /** The sink takes more. */
  drained(): void;
  /** The client is gone. The sink is not called any more. */
  close(): void;
}

export interface OpenStream {
  /** Authorized by the caller: the principal may see this chat. */
  readonly chat: ChatRow;
  readonly principalId: string;
  readonly cursor: string | null;
  readonly sink: Sink;
  /** Ends the wait for the first read. */
  readonly signal?: AbortSignal;
}

export interface Streams {
  /**
   * Subscribes. The sink is not called before the promise has resolved, so that a failure can still be a normal answer.
   *
   * @throws InvalidCursor (`invalid_cursor`), ChatNotFound, or what the first read fails with when waiting cannot help.
   */
  open(request: OpenStream): Promise<Subscription>;
}

export interface OpenWatch {
  readonly principalId: string;
  readonly cursor: string | null;
  readonly sink: Sink;
  readonly signal?: AbortSignal;
}

/** The list of a principal's chats as a stream. */
export interface WatchStreams {
  /** @throws InvalidCursor (`invalid_cursor`), or what the first read fails with. */
  open(request: OpenWatch): Promise<Subscription>;
}
