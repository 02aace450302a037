import type { ListWatcher } from "./actors/list-watcher.ts";
import type { User } from "./actors/user.ts";
import {
  checkConvergence,
  checkMirror,
  haveConverged,
  listOf,
  readLists,
  readStored,
  runnableChats,
} from "./checkers/at-rest.ts";
import type { Mirror } from "./checkers/mirror.ts";
import type { Verdict } from "./checkers/verdict.ts";
import type { Cluster } from "./cluster.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** After the faults have stopped, whatever can run has ended within this. */
const livenessMs = 240_000;

/** Then everybody sees what there is, also without any notification: some times the polling interval. */
const convergenceMs = 45_000;

/** What is linked together lets go of each other within this after its last user has left. */
const partingMs = 15_000;

/**
 * What a user began before leaving may take as long as its SDK is patient with a server that does not answer; and a
 * client's WebSocket waits half a minute for the goodbye of a machine that is gone.
 */
const patienceMs = 90_000;

export interface EndingDeps {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly verdict: Verdict;
  readonly cluster: Cluster;
  readonly mirror: Mirror;
  readonly users: readonly User[];
  readonly lists: readonly { readonly owner: string; readonly list: ListWatcher }[];
  readonly failed: () => boolean;
}

/** The end of a run, when the faults have stopped and users only look on: rest, agreement, and nothing left. */
export class Ending {
  readonly #deps: EndingDeps;

  constructor(deps: EndingDeps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const { failed } = this.#deps;
    await this.#rest();
    if (!failed()) await this.#converge();
    if (!failed()) await this.#part();
  }

  /** Whatever can run comes to its end. */
  async #rest(): Promise<void> {
    const untilMs = this.#deps.scheduler.nowMs + livenessMs;
    let runnable: string[] = [];
    do {
      // oxlint-disable-next-line no-await-in-loop
      await this.#quiet(1_000);
      if (this.#deps.failed()) return;
      runnable = runnableChats(this.#deps.cluster.database);
    } while (runnable.length > 0 && this.#deps.scheduler.nowMs < untilMs);
    this.#deps.verdict.check(
      "liveness",
      runnable.length === 0,
      () => `still run: ${runnable.join(", ")}`,
    );
  }

  async #converge(): Promise<void> {
    this.#deps.trace.add("run", "everybody looks");
    for (const user of this.#deps.users) {
      for (const view of user.watchers) {
        view.sleepy = false;
        view.start();
      }
    }
    const views = this.#deps.users.flatMap(({ watchers }) => watchers);
    const untilMs = this.#deps.scheduler.nowMs + convergenceMs;
    let stored;
    let lists: string[];
    do {
      // oxlint-disable-next-line no-await-in-loop
      await this.#quiet(1_000);
      if (this.#deps.failed()) return;
      stored = readStored(this.#deps.cluster.database);
      lists = this.#differentLists();
    } while (
      !(haveConverged(views, stored) && lists.length === 0) &&
      this.#deps.scheduler.nowMs < untilMs
    );
    this.#deps.verdict.check("convergence", lists.length === 0, () => lists.join("; "));
    checkMirror(this.#deps.mirror, stored, this.#deps.verdict);
    checkConvergence(views, stored, this.#deps.verdict);
  }

  #differentLists(): string[] {
    const stored = readLists(this.#deps.cluster.database);
    return this.#deps.lists.flatMap(({ owner, list }) => {
      const wanted = stored.get(owner) ?? "";
      const shown = listOf(list);
      if (list.ready && shown === wanted) return [];
      return [
        `${list.name} shows [${shown}]${list.ready ? "" : ", not ready"}, stored is [${wanted}]`,
      ];
    });
  }

  /** Everybody leaves; then the servers do. Nothing is left of either. */
  async #part(): Promise<void> {
    this.#deps.trace.add("run", "everybody leaves");
    for (const user of this.#deps.users) {
      // A goodbye is heard by who takes what comes.
      user.device.wake();
      for (const view of user.watchers) view.close();
    }
    for (const { list } of this.#deps.lists) list.close();
    await this.#quiet(partingMs);
    const { http } = this.#deps.cluster;
    await this.#deps.scheduler.run(
      patienceMs,
      () => this.#deps.failed() || http.openExchanges === 0,
    );
    if (this.#deps.failed()) return;
    const check = (left: number, what: string): void =>
      this.#deps.verdict.check(
        "leaks",
        left === 0,
        () => `${left} ${what} when everybody had left`,
      );
    check(http.openExchanges, "connections of clients are open");
    for (const host of this.#deps.cluster.hosts) this.#deps.cluster.terminate(host);
    // What a process that was killed had went with it, or will: its sessions end when the database notices.
    const killed = this.#deps.cluster.past.filter(
      ({ ended, process }) => !ended && process.state === "dead",
    );
    const deadBefore = new Set(killed.map(({ process }) => process));
    const sessions = (): string[] =>
      this.#deps.cluster.database.sessions
        .filter(({ process }) => !deadBefore.has(process))
        .map(({ process, pid }) => `${process.name} ${pid}`);
    const haveEnded = (): boolean =>
      this.#deps.cluster.replicas.length === 0 && sessions().length === 0;
    await this.#deps.scheduler.run(partingMs, () => this.#deps.failed() || haveEnded());
    check(this.#deps.cluster.replicas.length, "servers have not stopped");
    const open = sessions();
    check(open.length, `sessions of the database are open (${open.join(", ")})`);
    for (const { ended, process, timersLeft, linksLeft } of this.#deps.cluster.past) {
      if (!ended) continue;
      check(timersLeft.length, `timers of ${process.name} are set (${timersLeft.join(", ")})`);
      check(linksLeft, `links of ${process.name} are open`);
    }
  }

  /** At least so long, and then until no transaction is open: the checkers may look. */
  async #quiet(ms: number): Promise<void> {
    await this.#deps.scheduler.run(ms, this.#deps.failed);
    while (this.#deps.cluster.database.busy && !this.#deps.failed()) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#deps.scheduler.run(0.5, this.#deps.failed);
    }
  }
}
