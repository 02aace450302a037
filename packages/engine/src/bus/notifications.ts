/** The database's notifications, as the bus needs them; the PostgreSQL side is in `store/notifications.ts`. */
export interface Notifications {
  /** Two connections of their own: one listens, one notifies. Rejects when the database cannot be reached. */
  open(handlers: NotificationHandlers): Promise<NotificationChannel>;
}

export interface NotificationHandlers {
  received(payload: string): void;
  /** Either connection broke; called once. */
  lost(cause: unknown): void;
}

export interface NotificationChannel {
  /** All payloads in one statement that writes nothing else, so that it waits for no flush. */
  notify(payloads: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** PostgreSQL refuses payloads of 8,000 bytes and more. */
export const payloadBytesMax = 7_900;
