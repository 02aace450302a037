import { applyEvent, emptyTranscript, type Transcript } from "@parley/client";
import type { ChatEvent } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messageOf } from "../domain/representation.ts";
import type { Position } from "./cursor.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { afterCommit, afterRead, judgeCommit, type FeedState } from "./feed-state.ts";
import { canPlan, plan, positionOf, type Plan, windowMessagesMax } from "./plan.ts";
import { recentMessagesMax } from "./recent.ts";
import { ModelChat, type Op } from "./model-chat.test-support.ts";

const scope = {
  chatId: "0190a6f0-7b3c-7d2e-8f00-0123456789ab",
  database: { systemIdentifier: "73", timeline: 1 },
};

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Op>({ kind: "reply" }) },
  { weight: 4, arbitrary: fc.constant<Op>({ kind: "many" }) },
  { weight: 2, arbitrary: fc.nat({ max: 300 }).map((back): Op => ({ kind: "edit", back })) },
  { weight: 2, arbitrary: fc.constant<Op>({ kind: "queue" }) },
  { weight: 3, arbitrary: fc.constant<Op>({ kind: "attempt" }) },
  { weight: 4, arbitrary: fc.constant<Op>({ kind: "part" }) },
  { weight: 2, arbitrary: fc.constant<Op>({ kind: "retry" }) },
  { weight: 2, arbitrary: fc.constant<Op>({ kind: "fail" }) },
  { weight: 1, arbitrary: fc.constant<Op>({ kind: "metadata" }) },
  { weight: 1, arbitrary: fc.constant<Op>({ kind: "ownership" }) },
  { weight: 1, arbitrary: fc.constant<Op>({ kind: "hidden" }) },
);

interface Step {
  readonly op: Op;
  /** Whether this replica hears of it: by hand-over, by reading later, or by neither for now. */
  readonly heard: "commit" | "read" | "nothing";
  /** Somebody connects after it, at one of the cursors seen so far, or (negative) without; null: nobody. */
  readonly connects: number | null;
  /** The one that stays comes back with its last cursor, to a replica that has no feed yet. */
  readonly moves: boolean;
  /** With the feed that is there, or on a replica that has none. */
  readonly fresh: boolean;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    op: opArbitrary,
    heard: fc.constantFrom<Step["heard"]>(
      "commit" as const,
      "commit" as const,
      "read" as const,
      "nothing" as const,
    ),
    connects: fc.option(fc.integer({ min: -2_000, max: 10_000 })),
    moves: fc.integer({ max: 9, min: 0 }).map((n) => n === 0),
    fresh: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

/** What a client showed after an event, and that event's cursor. */
interface Told {
  readonly transcript: Transcript;
  readonly cursor: string;
}

/** A subscriber: what it was sent, what it shows, and its place among the others of its feed. */
class Client {
  readonly log: Told[] = [];
  transcript: Transcript;
  low = 0;

  constructor(transcript: Transcript) {
    this.transcript = transcript;
  }

  take({ events, position }: Plan): void {
    for (const { payload, position: at } of events) {
      const cursor = encodeCursor(scope, at);
      const data: unknown = JSON.parse(payload.json());
      this.transcript = applyEvent(this.transcript, {
        type: payload.type,
        cursor,
        data,
      } as ChatEvent);
      this.log.push({ transcript: this.transcript, cursor });
    }
    this.low = position.low;
  }
}

/** What a feed does, without its I/O: reads answer at once. */
class PureFeed {
  readonly #model: ModelChat;
  state: FeedState;
  readonly clients: Client[] = [];

  constructor(model: ModelChat, from: Position | null) {
    this.#model = model;
    const request = this.#request(from, from === null);
    this.state = afterRead(null, request, model.read(request), 0);
    if (!canPlan(this.state, from)) this.read(from, true);
  }

  #request(from: Position | null, window: boolean): Parameters<ModelChat["read"]>[0] {
    return {
      chatId: scope.chatId,
      since: from && { revision: from.revision, message_id: from.message_id },
      cutsAfter: from && from.snapshot,
      window: window ? windowMessagesMax : 0,
      changedMax: recentMessagesMax,
    };
  }

  read(from: Position | null, window: boolean): void {
    const own = positionOf(this.state, 0, null);
    const older = from !== null && from.snapshot < own.snapshot ? from : own;
    const before = this.state;
    let request = this.#request(older, window);
    let next = afterRead(before, request, this.#model.read(request), 0);
    const servable = (low: number): boolean =>
      canPlan(next, positionOf(before, low, null)) || canPlan(next, null);
    if (!this.clients.every(({ low }) => servable(low))) {
      request = this.#request(older, true);
      next = afterRead(before, request, this.#model.read(request), 0);
    }
    this.#advance(next);
  }

  commit(commit: ReturnType<ModelChat["apply"]>): void {
    if (commit === null) return;
    const verdict = judgeCommit(this.state, commit);
    if (verdict === "apply") this.#advance(afterCommit(this.state, commit, 0));
    else if (verdict !== "drop") this.read(null, false);
  }

  #advance(next: FeedState): void {
    const before = this.state;
    this.state = next;
    const context = {
      shown: this.shownFor(next),
      before: before.chat,
      initial: false,
    };
    for (const client of this.clients) {
      const from = positionOf(before, client.low, null);
      const planned = plan(next, from, context) ?? plan(next, null, context);
      if (planned === null) throw new Error("a sync could not be planned");
      client.take(planned);
    }
  }

  /** Here a preview comes with every sync: how parts are followed is for other tests. */
  shownFor(state: FeedState): ReturnType<ModelChat["shown"]> {
    return this.#model.shown(state.chat);
  }

  join(client: Client, from: Position | null): void {
    if (!canPlan(this.state, from)) this.read(from, from === null);
    let at = from;
    if (!canPlan(this.state, at)) {
      at = null;
      if (!canPlan(this.state, null)) this.read(null, true);
    }
    const shown = this.shownFor(this.state);
    const planned = plan(this.state, at, { shown, before: null, initial: true });
    if (planned === null) throw new Error("a joiner could not be served");
    client.take(planned);
  }
}

describe("a stream", () => {
  it("shows exactly what the database holds, from any cursor, whatever was heard of what happened", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = new ModelChat(scope.chatId);
        let feed = new PureFeed(model, null);
        const stayer = new Client(emptyTranscript);
        feed.join(stayer, null);
        feed.clients.push(stayer);
        for (const { op, heard, connects, fresh, moves } of sequence) {
          const commit = model.apply(op);
          if (heard === "commit") feed.commit(commit);
          else if (heard === "read") feed.read(null, false);
          if (moves) {
            const from = decodeCursor(scope, (stayer.log.at(-1) as Told).cursor);
            feed = new PureFeed(model, from);
            feed.join(stayer, from);
            feed.clients.push(stayer);
          }
          if (connects === null) continue;
          const told = connects < 0 ? null : stayer.log[connects % stayer.log.length];
          const from = told ? decodeCursor(scope, told.cursor) : null;
          const back = new Client(told?.transcript ?? emptyTranscript);
          if (fresh) new PureFeed(model, from).join(back, from);
          else {
            feed.read(null, false);
            feed.join(back, from);
          }
          expectTrue(back, model);
        }
        feed.read(null, false);
        expectTrue(stayer, model);
      }),
      { numRuns: 200 },
    );
  }, 30_000);
});

function expectTrue({ transcript }: Client, model: ModelChat): void {
  const visible = model.visible().map(messageOf);
  // A client may hold more than the window, never something else.
  const held = transcript.messages.length;
  expect(transcript.messages).toEqual(visible.slice(-Math.max(held, 1)));
  expect(held).toBeGreaterThanOrEqual(Math.min(visible.length, 1));
  if (!transcript.hasMore) expect(held).toBe(visible.length);
  const { chat } = model;
  expect(transcript.status?.status).toBe(chat.status);
  expect(transcript.status?.turn_message_id).toBe(chat.turn_message_id);
  expect(transcript.error).toEqual(chat.last_error);
  expect(transcript.retry).toEqual(chat.retry_state);
  expect(transcript.queue).toHaveLength(chat.queue_length);
  expect(transcript.chat?.title).toBe(chat.title);
  expect(transcript.desync).toBe(false);
}
