import type { LivePart, Part } from "@parley/protocol";
import { fold, foldInto } from "@parley/protocol";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { seededRandom } from "../src/lib/random.ts";
import { PartBuffer } from "../src/parts/part-buffer.ts";
import type { EpisodeKey, EpisodeListener } from "../src/parts/ports.ts";
import { PeerSecret } from "../src/stream/relay/credentials.ts";
import { ReplicaEpisodes } from "../src/stream/relay/episode-source.ts";
import { RelayError, type RelayErrorCode } from "../src/stream/relay/errors.ts";
import { RelayHost } from "../src/stream/relay/host.ts";
import { RelayLinks } from "../src/stream/relay/links.ts";
import type {
  DialRequest,
  RelaySocket,
  RelaySocketEvents,
  RelayTransport,
} from "../src/stream/relay/ports.ts";
import { nextTurn } from "../src/stream/turn.ts";

/** One end of a connection inside the process. Frames arrive in a later turn, in order. */
export class MemorySocket implements RelaySocket {
  readonly sent: string[] = [];
  closedWith: RelayErrorCode | null = null;
  peer: MemorySocket | null = null;
  events: RelaySocketEvents | null = null;
  #paused = false;
  #held: string[] = [];

  get bufferedBytes(): number {
    return this.#held.reduce((sum, frame) => sum + frame.length, 0);
  }

  send(frame: string): void {
    if (this.closedWith !== null) return;
    this.sent.push(frame);
    if (this.#paused) this.#held.push(frame);
    else this.#deliver(frame);
  }

  /** The network takes nothing from this end until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const frame of this.#held.splice(0)) this.#deliver(frame);
    nextTurn(() => this.events?.drained());
  }

  close(why: RelayErrorCode): void {
    if (this.closedWith !== null) return;
    this.closedWith = why;
    const { peer } = this;
    nextTurn(() => peer?.fail(why));
  }

  /** The connection is found broken at this end. */
  fail(code: RelayErrorCode): void {
    if (this.closedWith !== null) return;
    this.closedWith = code;
    this.events?.closed(new RelayError(code, "The connection is gone."));
  }

  #deliver(frame: string): void {
    const { peer } = this;
    nextTurn(() => {
      if (peer && peer.closedWith === null) peer.events?.frame(frame);
    });
  }
}

export interface Dial extends DialRequest {
  readonly socket: MemorySocket;
  /** Goes on with a dial that was held back. */
  complete(): void;
  fail(code: RelayErrorCode): void;
}

/** Connects replicas inside one process, and fails as told. */
export class RelayNetwork implements RelayTransport {
  readonly hosts = new Map<string, RelayHost>();
  /** What happens to dials of a URL; without an entry they are connected. */
  readonly faults = new Map<string, "hang" | "refuse">();
  readonly dials: Dial[] = [];
  readonly connections: { url: string; client: MemorySocket; server: MemorySocket }[] = [];

  dial(request: DialRequest, events: RelaySocketEvents & { open(): void }): RelaySocket {
    const socket = new MemorySocket();
    socket.events = events;
    const fail = (code: RelayErrorCode): void => nextTurn(() => socket.fail(code));
    const complete = (): void => {
      const host = this.hosts.get(request.url);
      if (host === undefined) return fail("relay_unreachable");
      const admission = host.admit(request.authorization ?? undefined);
      if (!admission.admitted) {
        return fail(admission.status === 421 ? "relay_wrong_worker" : "relay_refused");
      }
      const server = new MemorySocket();
      server.peer = socket;
      socket.peer = server;
      nextTurn(() => {
        // A late success of a dial that was given up is still reported: it must be discarded.
        events.open();
        server.events = host.accept(server, admission);
        this.connections.push({ url: request.url, client: socket, server });
      });
    };
    this.dials.push({ ...request, socket, complete, fail });
    const fault = this.faults.get(request.url);
    if (fault === "refuse") fail("relay_unreachable");
    else if (fault === undefined) complete();
    return socket;
  }

  /** Breaks every connection to this URL, at both ends. */
  drop(url: string): void {
    for (const connection of this.connections.splice(0)) {
      if (connection.url !== url) {
        this.connections.push(connection);
        continue;
      }
      connection.client.fail("relay_unreachable");
      connection.server.fail("relay_unreachable");
    }
  }

  connection(url: string): { client: MemorySocket; server: MemorySocket } {
    const found = this.connections.findLast((connection) => connection.url === url);
    if (found === undefined) throw new Error(`nobody is connected to ${url}`);
    return found;
  }

  dialsOf(url: string): Dial[] {
    return this.dials.filter((dial) => dial.url === url);
  }
}

export interface TestReplica {
  readonly id: string;
  readonly url: string;
  readonly buffer: PartBuffer;
  readonly host: RelayHost;
  readonly links: RelayLinks;
  readonly episodes: ReplicaEpisodes;
  /** Chats whose rows were asked to be read again. */
  readonly rechecked: string[][];
  /** What a re-read does; by default nothing. */
  onRecheck: (chatIds: readonly string[]) => Promise<void>;
}

export const testSecret = "a secret of at least thirty-two bytes";

/** Replicas over one network, with one clock. */
export class TestFleet {
  readonly clock = new ManualClock();
  readonly network = new RelayNetwork();
  readonly addresses = new Map<string, string | null>();
  readonly replicas: TestReplica[] = [];

  replica(id: string, options: { url?: string; secret?: string | null } = {}): TestReplica {
    const { clock, network, addresses } = this;
    const logger = silentLogger;
    const url = options.url ?? `ws://${id}`;
    const secret = options.secret === null ? null : new PeerSecret(options.secret ?? testSecret);
    const random = seededRandom(id);
    const buffer = new PartBuffer({ clock, logger });
    const workerId = (): string => id;
    const shared = { workerId, secret, clock, logger, turn: nextTurn };
    const host = new RelayHost({ ...shared, episodes: buffer });
    const rechecked: string[][] = [];
    const links = new RelayLinks({
      ...shared,
      random,
      transport: network,
      directory: {
        relayUrl: async (worker) => await Promise.resolve(addresses.get(worker) ?? null),
      },
      recheck: async (chatIds) => {
        rechecked.push([...chatIds]);
        await replica.onRecheck(chatIds);
      },
    });
    const isLocal = (worker: string): boolean => worker === id;
    const episodes = new ReplicaEpisodes({ local: buffer, remote: links, isLocal });
    const onRecheck = async (): Promise<void> => {};
    const replica: TestReplica = { id, url, buffer, host, links, episodes, rechecked, onRecheck };
    this.replicas.push(replica);
    addresses.set(id, url);
    if (!network.hosts.has(url)) network.hosts.set(url, host);
    return replica;
  }

  /** Lets everything that is under way arrive; no time passes. */
  async settle(): Promise<void> {
    for (let i = 0; i < 6; i++) await this.clock.advance(0);
  }

  async stop(): Promise<void> {
    for (const { links, host, buffer } of this.replicas) {
      await links.stop();
      host.stop();
      buffer.stop();
    }
  }
}

/** Listens, folds, and logs a gap or a repeat as a fault. */
export class Recorder implements EpisodeListener {
  seq: number;
  readonly preview: Part[] = [];
  readonly log: string[] = [];
  isClosed = false;
  readonly #waiting = new Set<() => void>();

  constructor(fromSeq = 1) {
    this.seq = fromSeq - 1;
  }

  /** Resolves when what has arrived makes it true. */
  until(condition: (recorder: Recorder) => boolean): Promise<void> {
    if (condition(this)) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition(this)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  get text(): string {
    return this.preview.map((part) => ("text" in part ? part.text : "")).join("");
  }

  parts(firstSeq: number, parts: readonly LivePart[]): void {
    if (firstSeq !== this.seq + 1) this.log.push(`FAULT: seq ${firstSeq} follows ${this.seq}`);
    for (const part of parts) foldInto(this.preview, part);
    this.seq += parts.length;
    this.#note(`parts ${firstSeq}-${this.seq}`);
  }

  snapshot(seq: number, parts: readonly Part[]): void {
    if (seq <= this.seq) this.log.push(`FAULT: snapshot ${seq} after ${this.seq}`);
    this.seq = seq;
    this.preview.splice(0, this.preview.length, ...parts);
    this.#note(`snapshot ${seq}`);
  }

  closed(): void {
    this.isClosed = true;
    this.#note("closed");
  }

  #note(line: string): void {
    this.log.push(line);
    for (const check of this.#waiting) check();
  }
}

export function episode(chat_id: string, generation_attempt = 1, history_version = 7): EpisodeKey {
  return { chat_id, history_version, generation_attempt };
}

export function text(delta: string): LivePart {
  return { type: "text", index: 0, delta };
}

/** `n` parts whose text is their numbers, from `first`. */
export function numbered(n: number, first = 1): LivePart[] {
  return Array.from({ length: n }, (_, i) => text(`${first + i} `));
}

export function textOf(parts: readonly LivePart[]): string {
  return fold(parts)
    .map((part) => ("text" in part ? part.text : ""))
    .join("");
}
