import type { Bundle } from "../../machine/bundle.ts";
import type { Machine } from "../../machine/machine.ts";
import type { FileStore } from "../../domain/files.ts";
import type { ChatRow } from "../../domain/rows.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { ModelPort } from "../../models/model-port.ts";
import type { RetryLimits } from "../../models/retry-policy.ts";
import type { Database } from "../../postgres/database.ts";
import type { SchemaChecker } from "../../schemas/checker.ts";
import type { ToolRegistry } from "../../tools/registry.ts";
import type { CompactionOptions } from "../compaction/options.ts";
import type { WorkerMcp } from "../chat-tools.ts";
import type { Histories } from "../histories.ts";
import type { WorkerObserver } from "../observer.ts";
import type { Checkpoints, Episodes } from "../ports.ts";
import type { RunnerMemory } from "../runner/memory.ts";
import type { Spending } from "../spending/options.ts";

export interface TaskLimits {
  /** Steps of a turn, counted from history since the last message that a user wrote. */
  readonly stepsMax: number;
  /** Of one reply: the others are answered without having run. */
  readonly stepToolCallsMax: number;
  /** How long a turn may run without having waited for anybody outside; null: any time. */
  readonly turnMs: number | null;
  /** Takeovers from dead owners in the middle of one step. */
  readonly takeoversMax: number;
  /** How long an approval may stay undecided, and a client's call unanswered, where nothing more particular is said. */
  readonly approvalDeadlineMs: number;
  readonly clientToolDeadlineMs: number;
  /** Of uploaded files in one model call. */
  readonly promptFileBytesMax: number;
  readonly retry: RetryLimits;
}

/** What tasks work with, the same for every runner of a worker. */
export interface TaskServices {
  readonly machine: Machine;
  readonly database: Database;
  readonly parts: Episodes;
  readonly checkpoints: Checkpoints;
  readonly files: Pick<FileStore, "head">;
  readonly models: ModelPort;
  /** The replica's own; what a chat's model may call is `readyTools` and `toolsIn`. */
  readonly tools: ToolRegistry;
  readonly schemas: Pick<SchemaChecker, "check">;
  readonly mcp: WorkerMcp | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: WorkerObserver;
  readonly limits: TaskLimits;
  readonly compaction: CompactionOptions;
  readonly spending: Spending;
  /** Of chats whose turns ended on this replica. */
  readonly histories: Histories;
  /** Whether this worker has room for one more chat with a step in flight. */
  readonly hasCapacity: () => boolean;
  /** Resolves once the worker's own beat is fresh enough to begin what must not happen twice. */
  readonly sure: (signal: AbortSignal) => Promise<void>;
  /** This worker does not take the chat for a while: another can go on with it, and this one cannot. */
  readonly leave: (chatId: string) => void;
}

export interface CommitOptions {
  readonly fenced?: boolean;
}

/** One run of a task. It ends by success, or by a throw that the runner understands. */
export interface TaskContext extends TaskServices {
  readonly chatId: string;
  readonly runnerId: string;
  /** Aborted when the row calls for something else. Nothing waits for the task then. */
  readonly signal: AbortSignal;
  /** The row as this task knows it: what it was started with, then what it committed itself. */
  readonly row: ChatRow;
  /** The worker stops: begin no further step. */
  readonly draining: boolean;
  readonly memory: RunnerMemory;
  /**
   * The task only waits for what others do, from now on or no longer: it gives back its slot and its place in the
   * worker's capacity, and has them again, over every limit, when this resolves. Does not throw.
   */
  readonly idle: (idle: boolean) => Promise<void>;
  /**
   * One bundle under this runner's fence. Faults of the database that pass are waited out here, so that what a task
   * holds in memory (a finished reply, say) is not lost to them.
   *
   * @param options.fenced false: `fn` checks for itself what it needs to be true.
   * @throws FenceLost, ChatNotFound, Cancelled, or what `fn` throws.
   */
  readonly commit: <T>(
    operation: string,
    fn: (bundle: Bundle) => Promise<T>,
    options?: CommitOptions,
  ) => Promise<T>;
}

/** The task was told to stop. Information, not a failure. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new Cancelled("cancelled");
}
