import type { LivePart, Part } from "@parley/protocol";
import {
  CursorPrefix,
  encodeCursor,
  type CursorScope,
  type Position,
  type PreviewPosition,
} from "./cursor.ts";
import { Encoded, Payload } from "./encode.ts";
import type { Planned } from "./plan.ts";
import type { Subscriber } from "./subscriber.ts";

/** Subscribers whose cursors are the same: those that began at the same message. Usually all of them. */
interface Group {
  readonly low: number;
  readonly members: Set<Subscriber>;
  /** The common beginning of the cursors of live parts, for the state and episode that it was made for. */
  prefix: { readonly of: object; readonly cursors: CursorPrefix } | null;
}

/** The attached subscribers of one feed: every event is serialized once for each group, its data once for all. */
export class Audience {
  readonly #scope: CursorScope;
  readonly #groups = new Map<number, Group>();

  constructor(scope: CursorScope) {
    this.#scope = scope;
  }

  get size(): number {
    let size = 0;
    for (const group of this.#groups.values()) size += group.members.size;
    return size;
  }

  get lows(): number[] {
    return [...this.#groups.keys()];
  }

  /** Everybody, as of now. */
  members(): Subscriber[] {
    return [...this.#groups.values()].flatMap((group) => [...group.members]);
  }

  add(subscriber: Subscriber, low: number): void {
    subscriber.low = low;
    let group = this.#groups.get(low);
    if (!group) this.#groups.set(low, (group = { low, members: new Set(), prefix: null }));
    group.members.add(subscriber);
  }

  remove(subscriber: Subscriber): boolean {
    const group = this.#groups.get(subscriber.low);
    if (!group?.members.delete(subscriber)) return false;
    if (group.members.size === 0) this.#groups.delete(group.low);
    return true;
  }

  /** Takes everybody out. */
  clear(): Subscriber[] {
    const all = this.members();
    this.#groups.clear();
    return all;
  }

  /** Sends a sync to those who began at `low`; they go on at `nextLow`. */
  send(low: number, events: readonly Planned[], nextLow: number): void {
    const members = [...(this.#groups.get(low)?.members ?? [])];
    const encoded = this.encode(events);
    for (const subscriber of members) subscriber.push(encoded);
    if (nextLow === low) return;
    for (const subscriber of members) {
      // One that was closed while it was sent to is not there any more.
      if (this.remove(subscriber)) this.add(subscriber, nextLow);
    }
  }

  encode(events: readonly Planned[]): Encoded[] {
    return events.map(
      ({ payload, position }) => new Encoded(payload, () => encodeCursor(this.#scope, position)),
    );
  }

  /** One live part to everybody. `stateOf(low)` names the position; its seq is `at.seq`. */
  sendPart(part: LivePart, at: PreviewPosition, state: object, positionOf: PositionOf): void {
    this.#sendLive(new Payload("message_part", { ...at, part }), at, state, positionOf);
  }

  sendSnapshot(
    parts: readonly Part[],
    at: PreviewPosition,
    state: object,
    positionOf: PositionOf,
  ): void {
    this.#sendLive(new Payload("preview_snapshot", { ...at, parts }), at, state, positionOf);
  }

  #sendLive(payload: Payload, at: PreviewPosition, state: object, positionOf: PositionOf): void {
    for (const group of this.#groups.values()) {
      if (group.prefix?.of !== state) {
        const cursors = new CursorPrefix(this.#scope, positionOf(group.low));
        group.prefix = { of: state, cursors };
      }
      const { cursors } = group.prefix;
      const event = new Encoded(payload, () => cursors.cursor(at.seq));
      for (const subscriber of group.members) subscriber.live(event, at);
    }
  }
}

/** The position of those who began at `low`, with the preview that live parts belong to. */
export type PositionOf = (low: number) => Position;
