import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { quantiles, type Quantiles } from "../rig/figures.ts";
import { ask, bearer } from "../rig/http.ts";
import { stampMark } from "../rig/pace.ts";
import { answer } from "../rig/program.ts";
import { nowMs } from "../rig/time.ts";

/** Clients of any contender: they read the moment at which each part was made, and when it came. */

/** How a contender is told what its client has: nothing, a cursor, the last event's id, an offset, a number of parts. */
type Position = "cursor" | "event-id" | "offset" | "count";

export interface Target {
  /** `ws:` or, for an event stream, `http:`. */
  readonly url: string;
  readonly token?: string;
  readonly count?: number;
  /** Sent by POST, and the answer is the stream. */
  readonly body?: unknown;
  readonly position?: Position;
}

export interface Received extends Quantiles {
  readonly bytes: number;
}

export interface Return {
  readonly targets: readonly Target[];
  /** Everything had been said when this is on the screen. */
  readonly word: string;
}

let followers: Follower[] = [];
let latencies: number[] = [];
let bytes = 0;

/** What stands before the text of a part on the wire of others. */
const anyMark = '"t=';

/** Where a contender's wire says how far its client is. */
const positions = {
  cursor: /"cursor":"([^"]+)"/g,
  "event-id": /^id: (.+)$/gm,
  offset: /"streamNextOffset":"([^"]+)"/g,
} as const;

class Follower {
  #target: Target;
  #end = (): void => {};
  #rest: Buffer = Buffer.alloc(0);
  #position: string | null = null;
  #count = 0;
  #onFrame: (frame: Buffer) => void = () => {};

  constructor(target: Target) {
    this.#target = target;
  }

  async open(): Promise<void> {
    if (this.#target.url.startsWith("ws")) await this.#openSocket();
    else await this.#openEvents();
  }

  close(): void {
    this.#end();
  }

  /** How long it takes to the word, in milliseconds. */
  async comeBack(target: Target, word: string): Promise<number> {
    const startedAt = nowMs();
    this.#target = target;
    this.#rest = Buffer.alloc(0);
    const back = Promise.withResolvers<number>();
    this.#onFrame = (frame) => {
      if (frame.includes(word)) back.resolve(nowMs() - startedAt);
    };
    const timer = setTimeout(() => back.reject(new Error("nothing came")), backMsMax);
    try {
      const [, took] = await Promise.all([this.open(), back.promise]);
      return took;
    } finally {
      clearTimeout(timer);
    }
  }

  async #openSocket(): Promise<void> {
    const { url, token } = this.#target;
    const socket = new WebSocket(this.#resumed(url, "cursor"), {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      headers: bearer(token),
    });
    this.#end = () => socket.terminate();
    // Before the opening is awaited: the first frame may come in the same packet as the handshake's answer.
    socket.on("message", (frame: Buffer) => this.#read(frame, stampMark));
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    socket.on("error", () => {});
  }

  async #openEvents(): Promise<void> {
    const { url, body, position } = this.#target;
    const from = this.#position;
    const headers: Record<string, string> =
      position === "event-id" ? { "last-event-id": from ?? "-1" } : {};
    const path = this.#resumed(this.#resumed(url, "offset"), "count");
    const response: IncomingMessage = await ask(path, { body, headers });
    this.#end = () => response.destroy();
    response.on("error", () => {});
    response.on("data", (chunk: Buffer) => {
      const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      const end = all.lastIndexOf(0x0a) + 1;
      this.#rest = all.subarray(end);
      this.#read(all.subarray(0, end), anyMark);
    });
  }

  /** The address, with what the client has where this contender is told so in the address. */
  #resumed(url: string, position: Position): string {
    const from = position === "count" ? String(this.#count) : this.#position;
    if (this.#target.position !== position || from === null) return url;
    const resumed = new URL(url);
    resumed.searchParams.set(position === "cursor" ? "cursor" : "offset", from);
    return resumed.href;
  }

  #read(frame: Buffer, mark: string): void {
    const now = nowMs();
    bytes += frame.length;
    for (let at = frame.indexOf(mark); at >= 0; at = frame.indexOf(mark, at + 1)) {
      const from = at + mark.length;
      latencies.push(now - Number(frame.toString("latin1", from, frame.indexOf(";", from))));
      this.#count += 1;
    }
    const { position } = this.#target;
    if (position !== undefined && position !== "count") {
      const last = [...frame.toString("latin1").matchAll(positions[position])].at(-1);
      this.#position = last?.[1] ?? this.#position;
    }
    this.#onFrame(frame);
  }
}

/** Longer than the slowest machine takes to serve a thousand that come at once. */
const backMsMax = 60_000;

/** So that no server's backlog of connections overflows, which would be a figure of the kernel's. */
const atOnce = 50;

function flat(targets: readonly Target[]): Target[] {
  return targets.flatMap((target) => Array.from({ length: target.count ?? 1 }, () => target));
}

answer({
  async connect(targets: readonly Target[]) {
    const opened = flat(targets).map((target) => new Follower(target));
    followers.push(...opened);
    /* oxlint-disable no-await-in-loop */
    for (let i = 0; i < opened.length; i += atOnce) {
      await Promise.all(opened.slice(i, i + atOnce).map(async (each) => await each.open()));
    }
    /* oxlint-enable no-await-in-loop */
  },
  begin() {
    latencies = [];
    bytes = 0;
  },
  end(): Received {
    return { ...quantiles(latencies), bytes };
  },
  /** How many parts have come since `begin`. */
  count: () => latencies.length,
  /** All at once, to these addresses, each with what it has where the contender takes that. */
  async comeBack({ targets, word }: Return): Promise<Quantiles & { failures: number }> {
    const all = flat(targets);
    const came = await Promise.allSettled(
      followers.map(async (each, i) => await each.comeBack(all[i] as Target, word)),
    );
    const times = came.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    // One of them says what it was; the table says how many.
    const failed = came.find((one) => one.status === "rejected");
    if (failed) process.stderr.write(`  one did not come back: ${String(failed.reason)}\n`);
    return { ...quantiles(times), failures: came.length - times.length };
  },
  /** Every connection, from the client's side. */
  cut() {
    for (const each of followers) each.close();
  },
  close() {
    for (const each of followers) each.close();
    followers = [];
  },
});
