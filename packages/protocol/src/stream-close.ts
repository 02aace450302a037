/**
 * Why the server ends a stream. Over WebSocket it is the close code and reason; over SSE the last event,
 * `event: close` with `{"code": …}`. A resumable end asks the client to come back with its cursor.
 */
export const streamCloses = {
  reconnect: { code: 4000, resumable: true },
  slow_consumer: { code: 4001, resumable: true },
  forbidden: { code: 4003, resumable: false },
  chat_deleted: { code: 4004, resumable: false },
  invalid_frame: { code: 4005, resumable: false },
} as const;

export type StreamCloseReason = keyof typeof streamCloses;

/** The server pings this often; a client that has heard nothing for `silenceMs` reconnects. */
export const streamTiming = { pingMs: 15_000, silenceMs: 40_000 } as const;
