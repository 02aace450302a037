import type { ServerResponse } from "node:http";
import type { StreamCloseReason } from "@parley/protocol";
import type { EncodedEvent } from "../../stream/ports.ts";
import type { StreamSession, Wire } from "./stream-session.ts";

export const sseHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  // A proxy that compresses or collects would hold every event back.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
  connection: "keep-alive",
} as const;

/** JSON has no line breaks of its own, so one `data:` line is always enough. */
export function sseOf(event: EncodedEvent): string {
  const id = event.cursor === undefined ? "" : `id: ${event.cursor}\n`;
  return `event: ${event.type}\n${id}data: ${event.dataJson()}\n\n`;
}

/** A stream as Server-Sent Events. */
export class SseWire implements Wire {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse, session: StreamSession) {
    this.#response = response;
    response.on("drain", () => session.drained());
    response.on("close", () => session.gone());
    response.on("error", () => session.gone());
  }

  send(events: readonly EncodedEvent[]): boolean {
    return this.#response.write(events.map(sseOf).join(""));
  }

  ping(): void {
    this.#response.write(": ping\n\n");
  }

  end(reason: StreamCloseReason): void {
    this.#response.end(`event: close\ndata: ${JSON.stringify({ code: reason })}\n\n`);
  }

  destroy(): void {
    this.#response.destroy();
  }
}
