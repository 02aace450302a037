import type { Duplex } from "node:stream";
import { streamCloses, type StreamCloseReason } from "@parley/protocol";
import { WebSocket } from "ws";
import { writeFrame } from "../../lib/text-frame.ts";
import type { EncodedEvent } from "../../stream/ports.ts";
import type { Frames } from "./frames.ts";
import type { StreamSession, Wire } from "./stream-session.ts";

/** What keeps the connection alive for those who cannot see pings: browsers. */
const emptyFrame = "[]";

/** A peer that has answered none of this many pings in a row is dead. */
const missedPongsMax = 2;

/** A stream over a WebSocket. The client says nothing on it: whatever it sends ends the stream. */
export class WebSocketWire implements Wire {
  readonly #socket: WebSocket;
  /** What the WebSocket writes to, too; without compression it keeps no frames back. */
  readonly #connection: Duplex;
  readonly #frames: Frames;
  #unanswered = 0;

  /** `connection` is the one under the WebSocket: events are written to it directly, frame by frame. */
  constructor(socket: WebSocket, connection: Duplex, frames: Frames, session: StreamSession) {
    this.#socket = socket;
    this.#connection = connection;
    this.#frames = frames;
    connection.on("drain", () => session.drained());
    socket.on("message", () => session.end("invalid_frame"));
    socket.on("pong", () => void (this.#unanswered = 0));
    socket.on("close", () => session.gone());
    // A frame that is too large or broken, or a connection reset: "close" follows.
    socket.on("error", () => session.gone());
  }

  send(events: readonly EncodedEvent[]): boolean {
    // After the goodbye of either side nothing may follow.
    if (this.#socket.readyState !== WebSocket.OPEN) return true;
    return writeFrame(this.#connection, this.#frames.of(events));
  }

  ping(): void {
    if (this.#unanswered >= missedPongsMax) {
      this.#socket.terminate();
      return;
    }
    this.#unanswered += 1;
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.ping();
    this.#socket.send(emptyFrame);
  }

  end(reason: StreamCloseReason): void {
    this.#socket.close(streamCloses[reason].code, reason);
  }

  destroy(): void {
    this.#socket.terminate();
  }
}
