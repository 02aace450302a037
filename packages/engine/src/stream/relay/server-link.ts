import { assertNever } from "../../lib/assert.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { EpisodeSource, Following } from "../../parts/ports.ts";
import type { NextTurn } from "../turn.ts";
import { RelayError, relayErrorOf, type RelayErrorCode } from "./errors.ts";
import { dialMs, keepAliveMs, silenceMs } from "./link-state.ts";
import { behindBytes, Outbox } from "./outbox.ts";
import type { RelaySocket, RelaySocketEvents } from "./ports.ts";
import {
  assertVersion,
  decodeFrame,
  encodeMessage,
  protocolVersion,
  type RelayMessage,
} from "./wire.ts";

/** One link follows no more than this at a time: far more than one replica shows, far less than fills memory. */
export const followsMax = 20_000;

export interface ServerLinkDeps {
  /** The part buffer. */
  readonly episodes: Pick<EpisodeSource, "follow">;
  readonly workerId: () => string;
  readonly clock: Pick<Clock, "timer" | "monotonic">;
  readonly turn: NextTurn;
  /** Over, for a reason that is worth a line in the log or not. */
  readonly onEnd: (link: ServerLink, error: RelayError) => void;
}

/** The owner's side of a link that another replica has dialled, from the greeting to the end. */
export class ServerLink implements RelaySocketEvents {
  readonly #deps: ServerLinkDeps;
  readonly #socket: RelaySocket;
  readonly #outbox: Outbox;
  readonly #followings = new Map<number, Following>();
  #peer: string | null = null;
  #timer: Timer;
  #heardAt: number;
  #flushing = false;
  #over = false;

  /** `proof`: that we know the secret, for this dial; null where certificates are all there is. */
  constructor(socket: RelaySocket, proof: string | null, deps: ServerLinkDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#outbox = new Outbox(socket);
    this.#heardAt = deps.clock.monotonic();
    const worker_id = deps.workerId();
    const hello = { kind: "hello", protocol_version: protocolVersion, worker_id } as const;
    this.#say(encodeMessage(proof === null ? hello : { ...hello, proof }));
    this.#timer = deps.clock.timer(dialMs, "relay.greeting", () =>
      this.#end(new RelayError("relay_timeout", "The peer did not greet.")),
    );
  }

  /** The worker that dialled, once it has said so. */
  get peer(): string | null {
    return this.#peer;
  }

  get follows(): number {
    return this.#followings.size;
  }

  /** Bytes of parts that wait for a peer that is behind, and how often they gave way to a snapshot. */
  get backlog(): { bytes: number; coalesced: number } {
    return { bytes: this.#outbox.gatheredBytes, coalesced: this.#outbox.coalesced };
  }

  frame(text: string): void {
    if (this.#over) return;
    this.#heardAt = this.#deps.clock.monotonic();
    try {
      for (const message of decodeFrame(text)) this.#onMessage(message);
    } catch (error) {
      this.#end(relayErrorOf(error, "relay_protocol"));
    }
  }

  drained(): void {
    if (!this.#over && !this.#outbox.empty) this.#flushSoon();
  }

  closed(error: RelayError): void {
    this.#end(error);
  }

  stop(code: RelayErrorCode): void {
    this.#end(new RelayError(code, "The link was closed."));
  }

  #end(error: RelayError): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    for (const following of this.#followings.values()) following.stop();
    this.#followings.clear();
    this.#socket.close(error.code);
    this.#deps.onEnd(this, error);
  }

  /** @throws RelayError when it makes no sense, or goes too far */
  #onMessage(message: RelayMessage): void {
    if (message.kind === "hello") {
      assertVersion(message);
      if (this.#peer === null) this.#keepAlive();
      this.#peer = message.worker_id;
      return;
    }
    if (message.kind === "keep_alive") return;
    if (this.#peer === null) throw new RelayError("relay_protocol", "No greeting came first.");
    switch (message.kind) {
      case "follow":
        return this.#follow(message);
      case "unfollow":
        // Unknown: it has ended on its own while this was on its way.
        this.#followings.get(message.stream)?.stop();
        this.#followings.delete(message.stream);
        this.#outbox.remove(message.stream);
        return;
      case "parts":
      case "snapshot":
      case "closed":
        throw new RelayError("relay_protocol", "Only the side that was dialled has parts.");
      default:
        return assertNever(message, "message of a link");
    }
  }

  #follow(message: Extract<RelayMessage, { kind: "follow" }>): void {
    const { stream, chat_id, history_version, generation_attempt, from_seq } = message;
    if (this.#outbox.has(stream)) {
      throw new RelayError("relay_protocol", "The stream is in use.");
    }
    if (this.#followings.size >= followsMax) {
      throw new RelayError("relay_full", `No more than ${followsMax} episodes on one link.`);
    }
    const key = { chat_id, history_version, generation_attempt };
    const listener = this.#outbox.add(
      stream,
      () => this.#followings.get(stream),
      () => this.#flushSoon(),
    );
    this.#followings.set(stream, this.#deps.episodes.follow(null, key, from_seq, listener));
  }

  #say(message: string): void {
    this.#outbox.say(message);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#deps.turn(() => {
      this.#flushing = false;
      if (!this.#over) this.#flush();
    });
  }

  #flush(): void {
    for (const stream of this.#outbox.flush()) {
      this.#followings.get(stream)?.stop();
      this.#followings.delete(stream);
    }
  }

  #keepAlive(): void {
    this.#timer.cancel();
    this.#timer = this.#deps.clock.timer(keepAliveMs, "relay.keep_alive", () => {
      if (this.#deps.clock.monotonic() - this.#heardAt >= silenceMs) {
        this.#end(new RelayError("relay_silent", "The peer was not heard for too long."));
        return;
      }
      // Whoever is behind has enough of ours to read.
      if (this.#socket.bufferedBytes <= behindBytes)
        this.#say(encodeMessage({ kind: "keep_alive" }));
      this.#keepAlive();
    });
  }
}
