import type { ChatRow } from "../domain/rows.ts";
import { linked } from "../lib/abort.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Checkpoint } from "../parts/ports.ts";
import { isTransient } from "../postgres/errors.ts";
import type { SyncRequest, SyncResult } from "../store/sync.ts";
import { ReadTimedOut, withDeadline } from "./deadline.ts";
import { readBackoff, type FeedDeps } from "./feed-options.ts";
import { isNewer } from "./feed-state.ts";

type Versions = Pick<ChatRow, "snapshot_version" | "metadata_version">;

/** How the reader and its feed talk. */
export interface ReaderOutput {
  /** What to read now; null: nothing is wanted. */
  next(): { request: SyncRequest; snapshot: number } | null;
  /** Null: there is no such chat. */
  read(request: SyncRequest, result: SyncResult | null, checkpoint: Checkpoint | null): void;
  /** Whether text of this row's turn may be in a checkpoint and nowhere nearer. */
  checkpointWanted(chat: ChatRow): boolean;
  /** The database is older than what it has said before. */
  wentBack(): void;
  failed(error: unknown, transient: boolean): void;
}

/** A feed's reads: at most one in flight, whatever is wanted meanwhile is one more. */
export class FeedReader {
  readonly #deps: FeedDeps;
  readonly #output: ReaderOutput;
  readonly #stop = linked();
  #running = false;
  /** The newest versions that somebody spoke of; `any` where nobody knows them. */
  #hinted: Versions | "any" | null = null;
  #window = false;
  /** Counts the times that everything known was given up. */
  #generation = 0;

  constructor(deps: FeedDeps, output: ReaderOutput) {
    this.#deps = deps;
    this.#output = output;
  }

  /** The newest messages are wanted with the next read. */
  get windowWanted(): boolean {
    return this.#window;
  }

  /** Reads unless what is known is at least that new; null: reads in any case. */
  want(versions: Versions | null): void {
    if (versions === null || this.#hinted === "any") this.#hinted = "any";
    else if (this.#hinted === null || isNewer(versions, this.#hinted)) {
      const { snapshot_version, metadata_version } = versions;
      this.#hinted = { snapshot_version, metadata_version };
    }
    this.wake();
  }

  wantWindow(): void {
    this.#window = true;
    this.want(null);
  }

  /** Whether the hints speak of something newer than what is known. */
  wanted(known: Versions | null): boolean {
    if (this.#hinted === null || this.#hinted === "any") return this.#hinted === "any";
    return known === null || isNewer(this.#hinted, known);
  }

  wake(): void {
    if (this.#running || this.#stop.signal.aborted) return;
    this.#running = true;
    void this.#run();
  }

  /** What the read in flight brings is of a database that does not count any more. */
  discard(): void {
    this.#generation += 1;
    this.want(null);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { clock, random, logger } = this.#deps;
    let failures = 0;
    for (;;) {
      const next = this.#stop.signal.aborted ? null : this.#output.next();
      if (next === null) break;
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#once(next);
        failures = 0;
      } catch (err) {
        const transient = err instanceof ReadTimedOut || isTransient(err);
        if (this.#stop.signal.aborted) break;
        logger.warn({ err, chat_id: next.request.chatId }, "a stream could not be read");
        this.#hinted = "any";
        this.#output.failed(err, transient);
        failures += 1;
        const ms = backoffMs(failures, readBackoff, random);
        // oxlint-disable-next-line no-await-in-loop
        await clock.sleep(ms, "stream.read-backoff", this.#stop.signal);
      }
    }
    this.#running = false;
  }

  async #once(next: { request: SyncRequest; snapshot: number }): Promise<void> {
    const { reads, clock, controlReadMs } = this.#deps;
    const { request, snapshot } = next;
    const generation = this.#generation;
    const stale = (): boolean => this.#stop.signal.aborted || generation !== this.#generation;
    this.#hinted = null;
    this.#window = false;
    const result = await withDeadline(reads.read(request), clock, controlReadMs);
    if (stale()) return;
    if (result !== null && result.chat.snapshot_version < snapshot) {
      this.#output.wentBack();
      return;
    }
    const checkpoint = result === null ? null : await this.#recover(result.chat);
    if (!stale()) this.#output.read(request, result, checkpoint);
  }

  /** A preview is worth a read, but no stream waits for it twice or fails for it. */
  async #recover(chat: ChatRow): Promise<Checkpoint | null> {
    if (!this.#output.checkpointWanted(chat)) return null;
    const { checkpoints, clock, logger, controlReadMs } = this.#deps;
    try {
      const read = checkpoints.read(chat.id, chat.history_version);
      return await withDeadline(read, clock, controlReadMs);
    } catch (err) {
      logger.warn({ err, chat_id: chat.id }, "a checkpoint could not be read");
      return null;
    }
  }
}
