/** What carries the hints of the bus: PostgreSQL's notifications (`store/notifications.ts`), or NATS. */
export interface HintChannel {
  /** A payload is at most this long. */
  readonly payloadBytesMax: number;
  /** Connects, once: what is lost stays lost, and the bus opens another. Rejects when there is nobody to connect to. */
  open(handlers: ChannelHandlers): Promise<OpenChannel>;
}

export interface ChannelHandlers {
  received(payload: string): void;
  /** The connection broke; called once at most. */
  lost(cause: unknown): void;
}

export interface OpenChannel {
  /** Rejects when the connection breaks. */
  send(payloads: readonly string[]): Promise<void>;
  /** Safe to call more than once. */
  close(): Promise<void>;
}
