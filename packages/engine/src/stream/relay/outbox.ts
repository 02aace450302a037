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
  readonly stream: number;
  readonly following: () => Following | undefined;
  /** JSON of live parts that follow each other, with commas between them. */
  parts: string;
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
  readonly #ready = new Set<Out>();
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
    const out: Out = { stream, following, parts: "", firstSeq: 0, snapshot: false, closed: false };
    this.#streams.set(stream, out);
    const changed = (): void => {
      this.#ready.add(out);
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
    this.#ready.delete(out);
  }

  /** Sends what the network takes. Streams that are closed are gone after it; they are given back. */
  flush(): number[] {
    const ended: number[] = [];
    const frame: string[] = this.#urgent.splice(0);
    let bytes = 0;
    let isBehind = this.#socket.bufferedBytes > behindBytes;
    for (const out of this.#ready) {
      if (isBehind) break;
      this.#ready.delete(out);
      bytes += this.#speak(out, frame);
      if (out.closed) {
        this.#streams.delete(out.stream);
        ended.push(out.stream);
      }
      if (bytes < frameBytes) continue;
      this.#socket.send(encodeFrame(frame.splice(0)));
      bytes = 0;
      isBehind = this.#socket.bufferedBytes > behindBytes;
    }
    if (frame.length > 0) this.#socket.send(encodeFrame(frame));
    return ended;
  }

  /** What the stream has to say, as messages of the frame. @returns their bytes */
  #speak(out: Out, frame: string[]): number {
    const { stream } = out;
    const before = frame.length;
    if (out.snapshot) {
      out.snapshot = false;
      const view = out.following()?.view();
      if (view !== undefined && view.seq > 0) {
        const { seq, parts, truncated } = view;
        const json = encodeMessage({ kind: "snapshot", stream, seq, parts, truncated });
        // The peer would cut the link for it, again and again. The committed message does not come this way.
        if (Buffer.byteLength(json) < frameBytesMax / 2) frame.push(json);
        else out.closed = true;
      }
    } else if (out.parts !== "") {
      frame.push(encodeParts(stream, out.firstSeq, this.#take(out)));
    }
    if (out.closed) frame.push(encodeMessage({ kind: "closed", stream }));
    let bytes = 0;
    for (let i = before; i < frame.length; i++) bytes += (frame[i] as string).length;
    return bytes;
  }

  /** False when a snapshot is due that will hold them anyway. */
  #gather(out: Out, firstSeq: number, parts: readonly LivePart[]): boolean {
    if (out.snapshot) return false;
    if (out.parts === "") out.firstSeq = firstSeq;
    for (const part of parts) {
      const json = livePartJson(part);
      const more = out.parts === "" ? json : `,${json}`;
      out.parts += more;
      this.#gatheredBytes += more.length;
    }
    if (this.#gatheredBytes > gatheredBytesMax) {
      for (const other of this.#streams.values()) if (other.parts !== "") this.#giveWay(other);
    }
    return true;
  }

  #giveWay(out: Out): void {
    if (out.parts !== "") this.#coalesced += 1;
    this.#take(out);
    out.snapshot = true;
  }

  #take(out: Out): string {
    const { parts } = out;
    out.parts = "";
    this.#gatheredBytes -= parts.length;
    return parts;
  }
}
