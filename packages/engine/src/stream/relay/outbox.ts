import type { LivePart } from "@parley/protocol";
import { livePartJson } from "../../parts/live-json.ts";
import type { EpisodeListener, Following } from "../../parts/ports.ts";
import type { RelaySocket } from "./ports.ts";
import { encodeFrame, encodeMessage, encodeParts, frameBytesMax } from "./wire.ts";

/** Beyond this the network is behind, and what comes gathers here: a few hundred parts, so that a burst is none. */
export const behindBytes = 256 * 1024;

/** What gathers for one link. Beyond it, parts that wait give way to snapshots that are made when they can be sent. */
export const gatheredBytesMax = 1024 * 1024;

/** Frames are cut here, so that a follower of many chats does not wait for all of them to be parsed. */
const frameBytes = 64 * 1024;

interface Out {
  readonly following: () => Following | undefined;
  /** JSON of live parts that follow each other. */
  parts: string[];
  firstSeq: number;
  /** What waits is replaced by the whole as of the moment of sending. */
  snapshot: boolean;
  closed: boolean;
}

/**
 * What the owner's side of a link has to say. Parts of one turn of the event loop go as one frame; a follower that
 * falls behind gets a snapshot as of a seq, then what follows it, so that memory is bounded whatever he does.
 */
export class Outbox {
  readonly #socket: RelaySocket;
  readonly #urgent: string[] = [];
  readonly #streams = new Map<number, Out>();
  /** Streams with something to send. */
  readonly #ready = new Set<number>();
  #gatheredBytes = 0;
  #coalesced = 0;

  constructor(socket: RelaySocket) {
    this.#socket = socket;
  }

  /** How often a snapshot took the place of parts that had gathered. */
  get coalesced(): number {
    return this.#coalesced;
  }

  /** Bytes of parts that wait. */
  get gatheredBytes(): number {
    return this.#gatheredBytes;
  }

  get empty(): boolean {
    return this.#urgent.length === 0 && this.#ready.size === 0;
  }

  /** Before anything else. */
  say(message: string): void {
    this.#urgent.push(message);
  }

  has(stream: number): boolean {
    return this.#streams.has(stream);
  }

  /** What is said into the listener is sent for this stream. `following`: where its snapshots come from. */
  add(
    stream: number,
    following: () => Following | undefined,
    onChange: () => void,
  ): EpisodeListener {
    const out: Out = { following, parts: [], firstSeq: 0, snapshot: false, closed: false };
    this.#streams.set(stream, out);
    const changed = (): void => {
      this.#ready.add(stream);
      onChange();
    };
    return {
      parts: (firstSeq, parts) => {
        if (!this.#gather(out, firstSeq, parts)) return;
        changed();
      },
      snapshot: () => {
        this.#giveWay(out);
        changed();
      },
      closed: () => {
        out.closed = true;
        changed();
      },
    };
  }

  remove(stream: number): void {
    const out = this.#streams.get(stream);
    if (out === undefined) return;
    this.#take(out);
    this.#streams.delete(stream);
    this.#ready.delete(stream);
  }

  /** Sends what the network takes. Streams that are closed are gone after it; they are given back. */
  flush(): number[] {
    const ended: number[] = [];
    const frame: string[] = this.#urgent.splice(0);
    let bytes = 0;
    const send = (): void => {
      if (frame.length > 0) this.#socket.send(encodeFrame(frame.splice(0)));
      bytes = 0;
    };
    for (const stream of this.#ready) {
      if (this.#socket.bufferedBytes > behindBytes) break;
      this.#ready.delete(stream);
      const out = this.#streams.get(stream);
      if (out === undefined) continue;
      for (const message of this.#messagesOf(stream, out)) {
        frame.push(message);
        bytes += message.length;
      }
      if (out.closed) {
        this.#streams.delete(stream);
        ended.push(stream);
      }
      if (bytes >= frameBytes) send();
    }
    send();
    return ended;
  }

  #messagesOf(stream: number, out: Out): string[] {
    const messages: string[] = [];
    if (out.snapshot) {
      out.snapshot = false;
      const view = out.following()?.view();
      if (view !== undefined && view.seq > 0) {
        const { seq, parts, truncated } = view;
        const json = encodeMessage({ kind: "snapshot", stream, seq, parts, truncated });
        // The peer would cut the link for it, again and again. The committed message does not come this way.
        if (Buffer.byteLength(json) < frameBytesMax / 2) messages.push(json);
        else out.closed = true;
      }
    } else if (out.parts.length > 0) {
      const { firstSeq } = out;
      messages.push(encodeParts(stream, firstSeq, this.#take(out)));
    }
    if (out.closed) messages.push(encodeMessage({ kind: "closed", stream }));
    return messages;
  }

  /** False when a snapshot is due that will hold them anyway. */
  #gather(out: Out, firstSeq: number, parts: readonly LivePart[]): boolean {
    if (out.snapshot) return false;
    if (out.parts.length === 0) out.firstSeq = firstSeq;
    for (const part of parts) {
      const json = livePartJson(part);
      out.parts.push(json);
      this.#gatheredBytes += json.length;
    }
    if (this.#gatheredBytes > gatheredBytesMax) {
      for (const other of this.#streams.values()) if (other.parts.length > 0) this.#giveWay(other);
    }
    return true;
  }

  #giveWay(out: Out): void {
    if (out.parts.length > 0) this.#coalesced += 1;
    this.#take(out);
    out.snapshot = true;
  }

  #take(out: Out): string[] {
    const { parts } = out;
    out.parts = [];
    for (const json of parts) this.#gatheredBytes -= json.length;
    return parts;
  }
}
