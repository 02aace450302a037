import type { LivePart, Part } from "@parley/protocol";
import { isPlainPart, livePartJson } from "../parts/live-json.ts";
import { encodeCursor, type CursorScope, type Position, type PreviewPosition } from "./cursor.ts";
import { Encoded, Payload } from "./encode.ts";
import { LiveEvent, LiveLine } from "./live-line.ts";
import type { Planned } from "./plan.ts";
import type { EncodedEvent } from "./ports.ts";
import type { Subscriber } from "./subscriber.ts";

/** Where subscribers differ from one another. */
export interface Place {
  /** The message id that they began at. */
  readonly low: number;
  /** What they have on their screens of a reply, where that is more than the feed itself knows. */
  readonly stray: PreviewPosition | null;
}

/** Subscribers whose cursors are the same, as of a moment. Usually all of them. */
export interface Members extends Place {
  readonly members: readonly Subscriber[];
}

interface Group extends Place {
  readonly name: string;
  /** Made anew when somebody leaves: whoever goes through it is not disturbed. */
  members: Subscriber[];
  /** What its live parts have in common, and the state and episode that it was made for. */
  line: LiveLine | null;
  lineOf: object | null;
}

/** The attached subscribers of one feed: every event is serialized once for each group, its data once for all. */
export class Audience {
  readonly #scope: CursorScope;
  readonly #byName = new Map<string, Group>();
  /** The same, to go through with every part. */
  #groups: readonly Group[] = [];
  readonly #groupOf = new Map<Subscriber, Group>();

  constructor(scope: CursorScope) {
    this.#scope = scope;
  }

  get size(): number {
    return this.#groupOf.size;
  }

  get empty(): boolean {
    return this.#groups.length === 0;
  }

  /** As of now: who moves to another group while all are sent to is not sent to twice. */
  groups(): Members[] {
    return this.#groups.map(({ low, stray, members }) => {
      return { low, stray, members: [...members] };
    });
  }

  /** Everybody, as of now. */
  members(): Subscriber[] {
    return [...this.#groupOf.keys()];
  }

  add(subscriber: Subscriber, { low, stray }: Place): void {
    subscriber.low = low;
    const name = nameOf({ low, stray });
    let group = this.#byName.get(name);
    if (!group) {
      group = { name, low, stray, members: [], line: null, lineOf: null };
      this.#byName.set(name, group);
      this.#groups = [...this.#groups, group];
    }
    group.members.push(subscriber);
    this.#groupOf.set(subscriber, group);
  }

  remove(subscriber: Subscriber): boolean {
    const group = this.#groupOf.get(subscriber);
    if (!group) return false;
    this.#groupOf.delete(subscriber);
    group.members = group.members.filter((member) => member !== subscriber);
    if (group.members.length > 0) return true;
    this.#byName.delete(group.name);
    this.#groups = this.#groups.filter((other) => other !== group);
    return true;
  }

  /** Takes everybody out. */
  clear(): Subscriber[] {
    const all = this.members();
    this.#byName.clear();
    this.#groups = [];
    this.#groupOf.clear();
    return all;
  }

  /** Sends a sync to a group, whose members go on at `next`. */
  send(group: Members, events: readonly Planned[], next: Place): void {
    const { members } = group;
    const encoded = this.encode(events);
    for (const subscriber of members) subscriber.push(encoded);
    if (nameOf(next) === nameOf(group)) return;
    for (const subscriber of members) {
      // One that was closed while it was sent to is not there any more.
      if (this.remove(subscriber)) this.add(subscriber, next);
    }
  }

  encode(events: readonly Planned[]): Encoded[] {
    return events.map(
      ({ payload, position }) => new Encoded(payload, () => encodeCursor(this.#scope, position)),
    );
  }

  /** One live part to everybody. `positionOf` names the position that cursors are made of. */
  sendPart(
    part: LivePart,
    at: PreviewPosition,
    state: object,
    positionOf: PositionOf,
    now: number,
  ): void {
    const json = livePartJson(part);
    const isPlain = isPlainPart(part);
    for (const group of this.#groups) {
      const line = this.#lineOf(group, at, state, positionOf);
      sendLive(group, new LiveEvent(line, at.seq, json, isPlain), at, now);
    }
  }

  sendSnapshot(
    parts: readonly Part[],
    at: PreviewPosition,
    state: object,
    positionOf: PositionOf,
    now: number,
  ): void {
    const payload = new Payload("preview_snapshot", { ...at, parts });
    for (const group of this.#groups) {
      const line = this.#lineOf(group, at, state, positionOf);
      sendLive(group, new Encoded(payload, () => line.cursor(at.seq)), at, now);
    }
  }

  #lineOf(group: Group, at: PreviewPosition, state: object, positionOf: PositionOf): LiveLine {
    if (group.line !== null && group.lineOf === state) return group.line;
    group.lineOf = state;
    group.line = new LiveLine(this.#scope, positionOf(group.low, at), at);
    return group.line;
  }
}

function sendLive(group: Group, event: EncodedEvent, at: PreviewPosition, now: number): void {
  for (const subscriber of group.members) subscriber.live(event, at, now);
}

/** The position of those who began at `low`, with the preview that live parts belong to. */
export type PositionOf = (low: number, at: PreviewPosition) => Position;

function nameOf({ low, stray }: Place): string {
  if (stray === null) return String(low);
  return `${low}/${stray.history_version}/${stray.generation_attempt}/${stray.seq}`;
}
