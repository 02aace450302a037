import { Worker } from "node:worker_threads";
import type { JsonObject } from "@parley/protocol";
import type { Clock, Timer } from "../lib/clock.ts";
import { ParleyError } from "../lib/errors.ts";
import type { Job, Reply, Verdict } from "./job.ts";

/** Honest schemas take a few milliseconds. A machine may be busy with other things. */
const jobMs = 2_000;
/** Loading the validator, on a busy machine. */
const startMs = 20_000;
/** The thread costs some 20 MB: it goes when nothing was asked for so long. */
const idleMs = 60_000;
const heapMbMax = 128;
const stackMbMax = 4;
const checkingThread = new URL("./thread.ts", import.meta.url);
/** Jobs that wait for their turn. */
const waitingMax = 200;

/** So many schemas wait to be checked that one more would wait too long. */
export class TooManyChecks extends ParleyError {
  constructor() {
    super("too_many_requests", "Too many schemas are being checked right now. Try again.");
  }
}

/** Nobody can check now, which says nothing of the schema: this server is stopping, or its checking thread did not come up. */
export class SchemasUnavailable extends ParleyError {
  constructor(reason: string) {
    super(
      "unavailable",
      `Schemas cannot be checked here right now: ${reason}. Try again in a moment.`,
    );
  }
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: SchemasUnavailable) => void;
}

/** Whoever checks schemas. */
export type Schemas = Pick<SchemaChecker, "check" | "stop">;

/**
 * Says whether a JSON Schema accepts a value. Schemas are written by strangers, so they are compiled and applied in a
 * thread of their own, one at a time, with limits on time and memory: this thread is never held up.
 */
export class SchemaChecker {
  readonly #clock: Clock;
  readonly #script: URL;
  readonly #waiting: Waiting[] = [];
  #thread: Worker | null = null;
  #ready = false;
  #current: Waiting | null = null;
  #timer: Timer | null = null;
  #nextId = 1;
  #stopped = false;

  /** @param options.script what the thread runs, where it is another one: for tests. */
  constructor({
    clock,
    script = checkingThread,
  }: {
    readonly clock: Clock;
    readonly script?: URL;
  }) {
    this.#clock = clock;
    this.#script = script;
  }

  /**
   * @param value JSON; null: only whether it is a schema.
   * @throws TooManyChecks, SchemasUnavailable
   */
  async check(schema: JsonObject, value: string | null): Promise<Verdict> {
    if (this.#stopped) throw stopping();
    if (this.#waiting.length >= waitingMax) throw new TooManyChecks();
    const job = { id: this.#nextId++, schema: JSON.stringify(schema), value };
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#next();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const thread = this.#thread;
    const left = [...(this.#current ? [this.#current] : []), ...this.#waiting.splice(0)];
    this.#forget();
    for (const { reject } of left) reject(stopping());
    await thread?.terminate();
  }

  #next(): void {
    if (this.#current !== null) return;
    const next = this.#waiting.shift();
    if (next === undefined) return this.#rest();
    this.#current = next;
    this.#thread ??= this.#start();
    if (this.#ready) this.#give(next);
    else this.#within(startMs, "the validator did not start");
  }

  #give({ job }: Waiting): void {
    this.#within(jobMs, `it takes longer than ${jobMs} ms to apply`);
    this.#thread?.postMessage(job);
  }

  #start(): Worker {
    const thread = new Worker(this.#script, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax, stackSizeMb: stackMbMax },
    });
    // It never keeps a process alive that has nothing else to do.
    thread.unref();
    thread.on("message", (message: "ready" | Reply) => {
      if (thread !== this.#thread) return;
      if (message === "ready") {
        this.#ready = true;
        if (this.#current) this.#give(this.#current);
      } else if (message.id === this.#current?.job.id) this.#settle(message.verdict);
    });
    thread.on("error", (error: Error) => this.#lost(thread, error.message));
    thread.on("exit", () => this.#lost(thread, "the validator ended"));
    return thread;
  }

  #within(ms: number, reason: string): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(ms, "schema.check", () => {
      const thread = this.#thread;
      if (thread) this.#lost(thread, reason);
    });
  }

  /** Nothing waits: the thread may go, if it stays so. */
  #rest(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(idleMs, "schema.idle", () => {
      const thread = this.#thread;
      this.#forget();
      void thread?.terminate();
    });
  }

  #settle(verdict: Verdict): void {
    const done = this.#current;
    this.#current = null;
    this.#timer?.cancel();
    done?.resolve(verdict);
    this.#next();
  }

  #lost(thread: Worker, reason: string): void {
    if (thread !== this.#thread) return;
    const current = this.#current;
    const wasReady = this.#ready;
    this.#forget();
    void thread.terminate();
    // Before it had seen the schema, nothing of it can be the schema's fault.
    if (wasReady) current?.resolve({ kind: "unusable", reason });
    else current?.reject(new SchemasUnavailable(reason));
    if (this.#waiting.length > 0) this.#next();
  }

  #forget(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#thread = null;
    this.#ready = false;
    this.#current = null;
  }
}

function stopping(): SchemasUnavailable {
  return new SchemasUnavailable("this server is stopping");
}
