import type { LivePart, Part, StreamCloseReason, Waiting } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import { ChatNotFound } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { Checkpoint, EpisodeKey } from "../parts/ports.ts";
import type { ChatVersions, SyncRequest, SyncResult } from "../store/sync.ts";
import { Audience, type PositionOf } from "./audience.ts";
import type { CursorScope } from "./cursor.ts";
import { Payload } from "./encode.ts";
import type { FeedDeps } from "./feed-options.ts";
import { FeedReader } from "./feed-reader.ts";
import {
  afterCommit,
  afterJudgement,
  afterPoll,
  afterRead,
  isNewer,
  judgeCommit,
  type FeedState,
} from "./feed-state.ts";
import { Joiners, type Joiner } from "./joiners.ts";
import { canHavePreview, canPlan, furthest, plan, positionOf, sameName } from "./plan.ts";
import type { EncodedEvent } from "./ports.ts";
import { trimmed } from "./recent.ts";
import { Preview } from "./preview.ts";
import type { Subscriber } from "./subscriber.ts";
import type { WaitingFeed } from "./waiting.ts";

/**
 * One replica's live view of one chat, shared by all who subscribe to it here. Decisions are made in `feed-state.ts` and
 * `plan.ts`, which are pure; this holds the state, hears what happens, and sends.
 */
export class Feed implements WaitingFeed {
  readonly chatId: string;
  readonly #deps: FeedDeps;
  readonly #onEmpty: (feed: Feed) => void;
  #scope: CursorScope;
  #audience: Audience;
  readonly #joiners = new Joiners();
  readonly #reader: FeedReader;
  readonly #preview: Preview;
  #state: FeedState | null = null;
  /** Made anew with every change of what cursors of live parts have in common. */
  #epoch: object = {};
  #ended = false;

  constructor(scope: CursorScope, deps: FeedDeps, onEmpty: (feed: Feed) => void) {
    this.chatId = scope.chatId;
    this.#scope = scope;
    this.#deps = deps;
    this.#onEmpty = onEmpty;
    this.#audience = new Audience(scope);
    this.#preview = new Preview(deps.episodes, {
      superseded: (by) => this.#superseded(by),
      parts: (key, firstSeq, parts) => this.#onParts(key, firstSeq, parts),
      snapshot: (key, seq, parts) => this.#onSnapshot(key, seq, parts),
    });
    this.#reader = new FeedReader(deps, {
      next: () => this.#nextRead(),
      read: (request, result, checkpoint) => this.#onRead(request, result, checkpoint),
      checkpointWanted: (chat) => this.#checkpointWanted(chat),
      wentBack: () => this.restart(this.#scope),
      failed: (error, transient) => this.#joiners.failed(error, transient),
    });
  }

  get size(): number {
    return this.#audience.size + this.#joiners.size;
  }

  subscribers(): Subscriber[] {
    return [...this.#audience.members(), ...this.#joiners.subscribers()];
  }

  /** The subscriber gets everything from its position on; before that, at most one read. */
  join(joiner: Joiner): void {
    this.#joiners.add(joiner);
    if (!this.#tryAttach(joiner)) this.#reader.wake();
  }

  leave(subscriber: Subscriber): void {
    if (!this.#audience.remove(subscriber)) this.#joiners.remove(subscriber);
    if (this.size === 0 && !this.#ended) this.stop();
  }

  /** Another replica committed, or somebody believes so. */
  hint(versions: Pick<ChatRow, "snapshot_version" | "metadata_version">): void {
    if (this.#state !== null && !isNewer(versions, this.#state.chat)) return;
    this.#reader.want(versions);
  }

  /** Something may have happened; only the database knows. */
  look(): void {
    this.#reader.want(null);
  }

  /** This replica committed. In the usual case nothing is read. */
  committed(commit: Commit, again = false): void {
    if (this.#ended) return;
    if (this.#state === null) {
      this.#reader.want(commit.deleted ? null : commit.chat);
      return;
    }
    const verdict = judgeCommit(this.#state, commit);
    if (verdict === "drop") return;
    if (verdict === "apply" && commit.deleted) this.end("chat_deleted");
    else if (verdict === "apply") this.#advance(afterCommit(this.#state, commit, this.#now()));
    else if (verdict === "later" && !again) {
      this.#deps.turn(() => this.committed(commit, true));
    } else this.#reader.want(commit.chat);
  }

  /** What the poll of all feeds found; undefined: no such chat. */
  polled(found: ChatVersions | undefined): void {
    if (this.#ended || this.#state === null) return;
    // Whether it is gone or was moved away under the poll is for a read of its own to say.
    if (found === undefined) return this.#reader.want(null);
    for (const subscriber of this.subscribers()) {
      if (subscriber.owner && subscriber.principalId !== found.owner_id) {
        subscriber.end("forbidden");
      }
    }
    if (this.#ended) return;
    const next = afterPoll(this.#state, found, this.#now());
    if (next === null) this.#reader.want(found);
    else if (next !== this.#state) this.#advance(next);
  }

  /** Monotonic time since when nobody drives the chat although there is something to do; null: somebody does. */
  get unownedSince(): number | null {
    return this.#state?.unownedSince ?? null;
  }

  /** Why that is; undefined: it is about to be taken. */
  judged(waiting: Waiting | undefined): void {
    if (this.#ended || this.#state === null) return;
    const next = afterJudgement(this.#state, waiting ?? null);
    if (next !== this.#state) this.#advance(next);
  }

  /** The database is another one, or has gone back in time: nothing that was known counts. */
  restart(scope: CursorScope): void {
    if (this.#ended) return;
    this.#deps.logger.warn({ chat_id: this.chatId }, "a feed starts over");
    this.#scope = scope;
    const members = this.#audience.clear();
    this.#audience = new Audience(scope);
    this.#state = null;
    this.#deps.waiting.forget(this);
    this.#preview.stop();
    this.#epoch = {};
    this.#joiners.restart(members);
    this.#reader.discard();
  }

  /** Ends every subscription. */
  end(reason: StreamCloseReason): void {
    if (this.#ended) return;
    const all = this.subscribers();
    this.stop();
    for (const subscriber of all) subscriber.end(reason);
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deps.waiting.forget(this);
    this.#reader.stop();
    this.#preview.stop();
    this.#onEmpty(this);
  }

  /** The preview as of now, for a subscriber that lags behind. */
  snapshotFor(subscriber: Subscriber): EncodedEvent | null {
    const state = this.#state;
    const shown = this.#preview.shown;
    if (state === null || shown === null) return null;
    const position = positionOf(state, subscriber.low, shown.position);
    const payload = new Payload("preview_snapshot", { ...shown.position, parts: shown.parts() });
    return this.#audience.encode([{ payload, position }])[0] ?? null;
  }

  #now(): number {
    return this.#deps.clock.monotonic();
  }

  #nextRead(): { request: SyncRequest; snapshot: number } | null {
    const wanted = this.#reader.wanted(this.#state?.chat ?? null);
    if (this.#ended || (!wanted && this.#joiners.size === 0)) return null;
    const snapshot = this.#state?.chat.snapshot_version ?? 0;
    const request = this.#joiners.request(this.chatId, this.#state, this.#reader.windowWanted);
    this.#joiners.beginRead();
    return { request, snapshot };
  }

  #onRead(request: SyncRequest, result: SyncResult | null, checkpoint: Checkpoint | null): void {
    if (this.#ended) return;
    if (result === null) {
      this.#joiners.refuse(new ChatNotFound(this.chatId));
      return this.end("chat_deleted");
    }
    const before = this.#state;
    const next = afterRead(before, request, result, this.#now());
    // A reset may need messages that nobody remembers: the same read again, with the newest messages.
    if (!this.#audience.groups().every(({ low }) => this.#servable(next, low))) {
      return this.#reader.wantWindow();
    }
    if (before === null) this.#begin(next, checkpoint);
    else this.#advance(next);
    for (const joiner of this.#joiners.afterRead(next)) this.#tryAttach(joiner);
    this.#forget();
  }

  /** What a read brought for joiners is kept within the limit, once they have it. */
  #forget(): void {
    const state = this.#state;
    if (state !== null) this.#state = { ...state, recent: trimmed(state.recent) };
  }

  /** Whether those who began at `low` can be told of the state, if need be from the start. */
  #servable(next: FeedState, low: number): boolean {
    if (this.#state === null) return true;
    const from = positionOf(this.#state, low, null);
    return canPlan(next, from) || canPlan(next, null);
  }

  #begin(state: FeedState, checkpoint: Checkpoint | null): void {
    const { chat } = state;
    this.#state = state;
    this.#preview.follow(chat);
    this.#deps.waiting.watch(this);
    if (this.#preview.position !== null || !canHavePreview(chat)) return;
    const { id: chat_id, history_version } = chat;
    const memory = this.#deps.episodes.newestWithParts(chat_id, history_version);
    if (memory) this.#preview.seed(memory);
    if (checkpoint !== null) {
      const { generation_attempt, last_seq: seq, parts } = checkpoint;
      this.#preview.seed({ key: { chat_id, history_version, generation_attempt }, seq, parts });
    }
  }

  #checkpointWanted(chat: ChatRow): boolean {
    if (this.#state !== null || chat.generation_attempt === 0 || !canHavePreview(chat))
      return false;
    const memory = this.#deps.episodes.newestWithParts(chat.id, chat.history_version);
    return memory?.key.generation_attempt !== chat.generation_attempt;
  }

  #advance(next: FeedState): void {
    const before = this.#state as FeedState;
    const preview = this.#preview.position;
    this.#state = next;
    this.#epoch = {};
    this.#preview.dropStale(next.chat);
    const context = { shown: this.#preview.shown, before: before.chat, initial: false };
    for (const group of this.#audience.groups()) {
      const from = positionOf(before, group.low, furthest(preview, group.stray));
      const planned = plan(next, from, context) ?? plan(next, null, context);
      if (planned === null) {
        // Only a commit or a tick can end here, and neither deletes: memory always reaches.
        this.#reader.wantWindow();
        continue;
      }
      const { stray, position } = planned;
      this.#audience.send(group, planned.events, { low: position.low, stray });
    }
    if (this.#ended) return;
    this.#preview.follow(next.chat);
    this.#deps.waiting.watch(this);
  }

  #tryAttach(joiner: Joiner): boolean {
    const state = this.#state;
    if (state === null || joiner.subscriber.closed || !this.#joiners.ready(joiner, state)) {
      return false;
    }
    const planned = plan(state, joiner.from, {
      shown: this.#preview.shown,
      before: null,
      initial: joiner.initial,
    });
    if (planned === null) return false;
    const { subscriber } = joiner;
    subscriber.skipTo(joiner.from?.preview ?? null);
    this.#audience.add(subscriber, { low: planned.position.low, stray: planned.stray });
    subscriber.begin(this.#audience.encode(planned.events));
    this.#joiners.attached(joiner);
    return true;
  }

  /** Who has the beginning of that very episode from elsewhere goes on with it. */
  #superseded(by: EpisodeKey): void {
    const state = this.#state;
    if (state === null) return;
    const shown = this.#preview.position;
    this.#epoch = {};
    const payload = new Payload("preview_reset", { reason: "superseded" });
    for (const group of this.#audience.groups()) {
      const { low, stray } = group;
      const onScreen = furthest(shown, stray);
      if (onScreen === null || sameName(onScreen, by)) continue;
      const event = { payload, position: positionOf(state, low, null) };
      this.#audience.send(group, [event], { low, stray: null });
    }
  }

  #onParts(key: EpisodeKey, firstSeq: number, parts: readonly LivePart[]): void {
    if (this.#audience.empty) return;
    const { history_version, generation_attempt } = key;
    const now = this.#now();
    let seq = firstSeq;
    for (const part of parts) {
      const at = { history_version, generation_attempt, seq };
      this.#audience.sendPart(part, at, this.#epoch, this.#positionAt, now);
      seq += 1;
    }
    this.#repeatRetry();
  }

  #onSnapshot(key: EpisodeKey, seq: number, parts: readonly Part[]): void {
    const { history_version, generation_attempt } = key;
    const at = { history_version, generation_attempt, seq };
    this.#audience.sendSnapshot(parts, at, this.#epoch, this.#positionAt, this.#now());
    this.#repeatRetry();
  }

  /** The text of the attempt that failed came late, over a link: the notice still holds. */
  #repeatRetry(): void {
    const state = this.#state;
    if (state === null || state.chat.retry_state === null) return;
    const payload = new Payload("retry", state.chat.retry_state);
    for (const group of this.#audience.groups()) {
      const { low, stray } = group;
      const position = positionOf(state, low, furthest(this.#preview.position, stray));
      this.#audience.send(group, [{ payload, position }], { low, stray });
    }
  }

  /** Clients take live text for the end of a retry's back-off: so does a cursor of it. */
  readonly #positionAt: PositionOf = (low, at) => {
    return { ...positionOf(this.#state as FeedState, low, at), retry: 0 };
  };
}
