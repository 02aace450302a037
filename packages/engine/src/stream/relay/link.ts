import { linked, orAborted, type LinkedAbort } from "../../lib/abort.ts";
import { assertNever } from "../../lib/assert.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Scope } from "../../lib/scope.ts";
import type { EpisodeKey, EpisodeListener, Following } from "../../parts/ports.ts";
import type { NextTurn } from "../turn.ts";
import type { Credential, PeerSecret } from "./credentials.ts";
import { RelayError, relayErrorOf } from "./errors.ts";
import {
  newLink,
  step,
  type LinkEffect,
  type LinkEvent,
  type LinkPhase,
  type LinkTimer,
} from "./link-state.ts";
import type { PeerDirectory, RelaySocket, RelayTransport } from "./ports.ts";
import { Recheck, type RecheckDeps } from "./recheck.ts";
import { RemoteFollowing } from "./remote-following.ts";
import { Sending } from "./sending.ts";
import {
  assertVersion,
  decodeFrame,
  encodeFollow,
  encodeMessage,
  protocolVersion,
  type HelloMessage,
  type RelayMessage,
} from "./wire.ts";

/** What links take from the outside. */
export interface LinkDeps extends RecheckDeps {
  /** This replica's worker: how it names itself. */
  readonly workerId: () => string;
  readonly directory: PeerDirectory;
  readonly transport: RelayTransport;
  /** Null where certificates are all that authenticates. */
  readonly secret: PeerSecret | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly turn: NextTurn;
}

/** One dial, from the look-up of the address to the end of the connection. */
interface Attempt {
  readonly dial: number;
  readonly credential: Credential | null;
  readonly abort: LinkedAbort;
  socket: RelaySocket | null;
  sending: Sending | null;
}

/** The link to one peer: performs what `link-state.ts` decides. Nothing here blocks or throws. */
export class Link {
  readonly peer: string;
  readonly #deps: LinkDeps;
  readonly #scope: Scope;
  readonly #onUnused: (link: Link) => void;
  readonly #followings = new Map<number, RemoteFollowing>();
  readonly #timers = new Map<LinkTimer, Timer>();
  readonly #events: LinkEvent[] = [];
  readonly #recheck: Recheck;
  #state = newLink;
  #attempt: Attempt | null = null;
  #applying = false;
  #lastStream = 0;
  #heardAt = 0;
  #error: RelayError | null = null;

  constructor(peer: string, deps: LinkDeps, scope: Scope, onUnused: (link: Link) => void) {
    this.peer = peer;
    this.#deps = { ...deps, logger: deps.logger.child({ peer_id: peer }) };
    this.#scope = scope;
    this.#onUnused = onUnused;
    this.#recheck = new Recheck(this.#deps, scope, (streams) => {
      if (this.phase === "open") for (const stream of streams) this.#ask(stream);
    });
  }

  get phase(): LinkPhase {
    return this.#state.phase;
  }

  get follows(): number {
    return this.#state.follows;
  }

  /** How many times this link was dialled. */
  get dials(): number {
    return this.#state.dial;
  }

  follow(key: EpisodeKey, fromSeq: number, listener: EpisodeListener): Following {
    const stream = ++this.#lastStream;
    const onStop = (): void => {
      if (this.#forget(stream)) this.#apply({ type: "unfollowed", stream, ended: false });
    };
    const onFailure = (err: unknown): void =>
      this.#deps.logger.error({ err, ...key }, "an episode's reader threw");
    const following = new RemoteFollowing(stream, key, fromSeq, listener, onStop, onFailure);
    this.#followings.set(stream, following);
    this.#apply({ type: "followed", stream });
    return following;
  }

  stop(): void {
    this.#apply({ type: "stop" });
  }

  #forget(stream: number): boolean {
    this.#recheck.forget(stream);
    return this.#followings.delete(stream);
  }

  /** One after the other: what an effect causes waits until the effects before it are done. */
  #apply(event: LinkEvent): void {
    this.#events.push(event);
    if (this.#applying) return;
    this.#applying = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        const { clock, random } = this.#deps;
        const moment = { now: clock.monotonic(), chance: random.float() };
        const { state, effects } = step(this.#state, next, moment);
        this.#state = state;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#applying = false;
    }
  }

  #perform(effect: LinkEffect): void {
    switch (effect.type) {
      case "dial":
        return this.#dial(effect.dial, effect.again);
      case "greet":
        return this.#say(
          encodeMessage({
            kind: "hello",
            protocol_version: protocolVersion,
            worker_id: this.#deps.workerId(),
          }),
        );
      case "ask":
        return this.#ask(effect.stream);
      case "ask_all":
        this.#deps.logger.debug({ follows: this.follows }, "relay link is open");
        for (const stream of this.#followings.keys()) this.#ask(stream);
        return;
      case "unask":
        return this.#say(encodeMessage({ kind: "unfollow", stream: effect.stream }));
      case "keep_alive":
        return this.#say(encodeMessage({ kind: "keep_alive" }));
      case "hang_up":
        return this.#hangUp(effect);
      case "set":
        return this.#setTimer(effect.timer, effect.ms);
      case "cancel":
        this.#timers.get(effect.timer)?.cancel();
        this.#timers.delete(effect.timer);
        return;
      case "unused":
        return this.#onUnused(this);
      default:
        return assertNever(effect, "effect of a link");
    }
  }

  #setTimer(timer: LinkTimer, ms: number): void {
    this.#timers.get(timer)?.cancel();
    const fire = (): void => {
      this.#timers.delete(timer);
      if (timer === "keep_alive") this.#apply({ type: "timer", timer, heardAt: this.#heardAt });
      else this.#apply({ type: "timer", timer });
    };
    this.#timers.set(timer, this.#deps.clock.timer(ms, `relay.${timer}`, fire));
  }

  #dial(dial: number, again: boolean): void {
    const { secret, random } = this.#deps;
    const attempt: Attempt = {
      dial,
      credential: secret?.newCredential(this.peer, random) ?? null,
      abort: linked(this.#scope.signal),
      socket: null,
      sending: null,
    };
    this.#attempt = attempt;
    if (again) {
      const chatIds = [...this.#followings.values()].map(({ key }) => key.chat_id);
      this.#recheck.hold(this.#followings.keys(), chatIds);
    }
    void this.#scope.run("relay dial", async () => {
      try {
        await this.#connect(attempt);
      } catch (error) {
        this.#lost(attempt, relayErrorOf(error, "relay_unreachable"));
      }
    });
  }

  async #connect(attempt: Attempt): Promise<void> {
    const { directory, transport, secret, turn } = this.#deps;
    const { dial, credential, abort } = attempt;
    const url = await orAborted(directory.relayUrl(this.peer), abort.signal);
    if (url === null) throw new RelayError("relay_no_address", "The worker takes no links.");
    if (this.#attempt !== attempt) return;
    const authorization = credential === null ? null : (secret?.headerOf(credential) ?? null);
    const socket = transport.dial(
      { url, authorization },
      {
        open: () => this.#apply({ type: "connected", dial }),
        frame: (text) => this.#onFrame(attempt, text),
        drained: () => {},
        closed: (error) => this.#lost(attempt, error),
      },
    );
    attempt.socket = socket;
    attempt.sending = new Sending(socket, turn);
  }

  #hangUp({ dial, code }: Extract<LinkEffect, { type: "hang_up" }>): void {
    const attempt = this.#attempt;
    if (attempt?.dial !== dial) return;
    this.#attempt = null;
    attempt.abort.abort(new RelayError(code, "The dial was given up."));
    attempt.sending?.stop();
    attempt.socket?.close(code);
    const { failures, phase } = this.#state;
    // Otherwise it was our own wish.
    if (phase !== "waiting") return;
    const error = this.#error?.code === code ? { err: this.#error } : {};
    this.#error = null;
    this.#deps.logger.warn({ code, failures, ...error }, "a relay link failed");
  }

  #lost(attempt: Attempt, error: RelayError): void {
    if (this.#attempt !== attempt) return;
    this.#error = error;
    this.#apply({ type: "lost", dial: attempt.dial, code: error.code });
  }

  #ask(stream: number): void {
    const following = this.#followings.get(stream);
    if (following === undefined || this.#recheck.holds(stream)) return;
    this.#say(encodeFollow(stream, following.key, following.nextSeq));
  }

  #say(message: string): void {
    this.#attempt?.sending?.push(message);
  }

  #onFrame(attempt: Attempt, text: string): void {
    if (this.#attempt !== attempt) return;
    this.#heardAt = this.#deps.clock.monotonic();
    try {
      for (const message of decodeFrame(text)) {
        // A listener may have stopped everything.
        if (this.#attempt !== attempt) return;
        this.#onMessage(attempt, message);
      }
    } catch (error) {
      this.#lost(attempt, relayErrorOf(error, "relay_protocol"));
    }
  }

  /** @throws RelayError when it makes no sense */
  #onMessage(attempt: Attempt, message: RelayMessage): void {
    if (message.kind === "hello") return this.#onHello(attempt, message);
    if (message.kind === "keep_alive") return;
    if (this.phase !== "open") throw new RelayError("relay_protocol", "No greeting came first.");
    if (message.kind === "follow" || message.kind === "unfollow") {
      throw new RelayError("relay_protocol", "Only the side that dialled may ask.");
    }
    // Nobody follows it any more: what was on its way is discarded.
    const following = this.#followings.get(message.stream);
    if (following === undefined) return;
    switch (message.kind) {
      case "parts":
        if (following.parts(message.first_seq, message.parts)) return;
        throw new RelayError("relay_protocol", "Parts are missing.");
      case "snapshot":
        return following.snapshot(message.seq, message.parts, message.truncated);
      case "closed":
        this.#forget(message.stream);
        this.#apply({ type: "unfollowed", stream: message.stream, ended: true });
        return following.closed();
      default:
        return assertNever(message, "message of a link");
    }
  }

  #onHello(attempt: Attempt, hello: HelloMessage): void {
    const { secret } = this.#deps;
    assertVersion(hello);
    if (hello.worker_id !== this.peer) {
      throw new RelayError("relay_wrong_worker", "Another worker lives at this address.");
    }
    const { credential } = attempt;
    if (secret && credential && !secret.isProof(hello.proof, credential)) {
      throw new RelayError("relay_unproved", "The peer does not know the secret.");
    }
    this.#apply({ type: "greeted", dial: attempt.dial });
  }
}
