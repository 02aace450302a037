import { simPrices } from "./actors/models.ts";
import { ListWatcher, type ListListener } from "./actors/list-watcher.ts";
import { Stranger } from "./actors/stranger.ts";
import { User, type UserListener } from "./actors/user.ts";
import { Checkers } from "./checkers/checkers.ts";
import { Verdict, type Violation } from "./checkers/verdict.ts";
import { Cluster } from "./cluster.ts";
import type { Backend } from "./database/backend.ts";
import { Ending } from "./ending.ts";
import { Nemesis } from "./faults/nemesis.ts";
import { replaceGlobals } from "./globals.ts";
import type { SimOptions } from "./options.ts";
import { isFoundBy } from "./mutations/mutation.ts";
import { planOf, standingOf } from "./plan.ts";
import { createRng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

export interface SimResult {
  readonly seed: string;
  readonly digest: string;
  readonly lines: number;
  readonly virtualMs: number;
  readonly violations: readonly Violation[];
  readonly checks: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly actions: Readonly<Record<string, number>>;
  readonly statements: number;
  readonly tail: readonly string[];
}

/** Servers come up before anybody asks for them. */
const warmUpMs = 3_000;

/** One whole run: users and faults for a while, then rest, then the end of everything; checked all along. */
export async function simulate(backend: Backend, given: SimOptions): Promise<SimResult> {
  const { mutation } = given;
  const options = { ...given, ...mutation?.options };
  const scheduler = new Scheduler();
  const chance = createRng(`${options.seed}/globals`);
  const restore = replaceGlobals({
    get wallMs() {
      return scheduler.wallMs;
    },
    float: () => chance.float(),
  });
  // Resetting drops what is temporary, and with it what undoes the alteration: so this comes first, and goes last.
  backend.reset();
  if (mutation?.alter) backend.sql(mutation.alter.apply);
  try {
    return await new Run(backend, options, scheduler).run();
  } finally {
    if (mutation?.alter) {
      backend.sql("rollback");
      backend.sql(mutation.alter.undo);
    }
    restore();
  }
}

class Run {
  readonly #options: SimOptions;
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;
  readonly #verdict: Verdict;
  readonly #cluster: Cluster;
  readonly #checkers: Checkers;
  readonly #users: User[];
  readonly #lists: { readonly owner: string; readonly list: ListWatcher }[];
  readonly #stranger: Stranger;
  readonly #nemesis: Nemesis;
  readonly #faults: Record<string, number> = {};
  readonly #actions: Record<string, number> = {};
  readonly #onRejection = (reason: unknown): void =>
    this.#verdict.fail("answers", `a promise that nobody awaits failed: ${String(reason)}`);

  constructor(backend: Backend, options: SimOptions, scheduler: Scheduler) {
    const rng = createRng(options.seed);
    const plan = planOf(options, rng.fork("plan"));
    this.#options = options;
    this.#scheduler = scheduler;
    this.#trace = new Trace(() => scheduler.nowMs, options.onTrace);
    this.#verdict = new Verdict(
      () => scheduler.nowMs,
      ({ checker, message }) => this.#trace.add("CHECKER", `${checker}: ${message}`),
    );
    const count = (kind: string): void => void (this.#faults[kind] = (this.#faults[kind] ?? 0) + 1);
    this.#cluster = new Cluster({
      seed: options.seed,
      rng,
      scheduler,
      trace: this.#trace,
      backend,
      replicas: plan.replicas,
      modelWeights: plan.models,
      settings: plan.settings,
      count,
      onToolRun: (run) => {
        this.#trace.add(run.process.name, `runs ${run.tool} ${run.key}`);
        this.#checkers.onToolRun(run);
      },
      onModelCall: (process, request) => this.#checkers.onModelCall(process, request),
      onModelReply: (request, reply) => this.#checkers.onModelReply(request, reply),
      onErrorLogged: (process, message, error) =>
        this.#verdict.fail("answers", `${process.name} logged "${message}": ${String(error)}`),
    });
    this.#checkers = new Checkers(this.#verdict, { prices: simPrices, standing: standingOf(plan) });
    this.#cluster.database.committed.push((committed) => this.#checkers.onCommit(committed));
    this.#cluster.database.onStalled = (what, process) =>
      this.#verdict.fail("transactions", `${process.name} waits inside of a transaction: ${what}`);
    this.#cluster.http.onFailure = (status, request, body) => {
      const expected = status === 503;
      this.#verdict.check("answers", expected, () => `${request} was answered ${status}: ${body}`);
    };
    const listener = this.#listener();
    this.#lists = [];
    this.#users = Array.from({ length: plan.users }, (_, i) => {
      const name = `user${i + 1}`;
      const { id, token } = this.#cluster.principal(name, i + 1);
      // Another device of the same person: lists are looked at elsewhere than chats.
      const phone = this.#cluster.device(`${name}-phone`, token);
      const list = new ListWatcher(`${name}/list`, id, phone, listener, rng.fork(`${name} list`));
      this.#lists.push({ owner: id, list });
      return new User({
        name,
        ownerId: id,
        device: this.#cluster.device(name, token),
        other: phone,
        rng: rng.fork(name),
        weights: plan.actions,
        thinkMs: plan.thinkMs,
        chatsMax: plan.chatsMax,
        listener,
      });
    });
    const { token } = this.#cluster.principal("stranger", 99);
    this.#stranger = new Stranger({
      device: this.#cluster.device("stranger", token),
      rng: rng.fork("stranger"),
      chats: () => this.#users.flatMap(({ chats }) => chats),
      onTry: (what, chatId, letIn, outcome) => {
        this.#trace.add("stranger", `${what} ${chatId} ${outcome}`);
        this.#verdict.check(
          "access",
          !letIn,
          () => `a stranger's ${what} of ${chatId}: ${outcome}`,
        );
      },
    });
    this.#nemesis = new Nemesis({
      cluster: this.#cluster,
      users: this.#users,
      scheduler,
      trace: this.#trace,
      rng: rng.fork("nemesis"),
      without: options.withoutFaults,
      only: options.onlyFaults,
      count,
    });
    options.mutation?.install?.({
      backend,
      cluster: this.#cluster,
      scheduler,
      rng: rng.fork("mutation"),
      mirror: this.#checkers.mirror,
    });
    this.#trace.add("plan", JSON.stringify({ ...plan, faults: this.#nemesis.kinds }));
  }

  async run(): Promise<SimResult> {
    process.on("unhandledRejection", this.#onRejection);
    try {
      await this.#phases();
    } finally {
      process.off("unhandledRejection", this.#onRejection);
      // What is left of this world must not go on in the next.
      this.#cluster.end();
    }
    return {
      seed: this.#options.seed,
      digest: this.#trace.digest(),
      lines: this.#trace.lines,
      virtualMs: this.#scheduler.nowMs,
      violations: this.#verdict.violations,
      checks: Object.fromEntries(this.#verdict.checks),
      faults: this.#faults,
      actions: this.#actions,
      statements: this.#cluster.database.statements,
      tail: this.#trace.tail(400),
    };
  }

  async #phases(): Promise<void> {
    const { mutation } = this.#options;
    const { violations } = this.#verdict;
    const failed = (): boolean =>
      mutation === undefined
        ? violations.length > 0
        : violations.some((violation) => isFoundBy(mutation, violation));
    for (const host of this.#cluster.hosts) this.#cluster.start(host);
    await this.#scheduler.run(warmUpMs, failed);
    for (const user of this.#users) user.start();
    for (const { list } of this.#lists) list.start();
    this.#stranger.start();
    this.#nemesis.start();
    await this.#scheduler.run(this.#options.minutes * 60_000, failed);
    if (failed()) return;
    this.#trace.add("run", "everything heals");
    this.#cluster.isEnding = true;
    this.#nemesis.stop();
    this.#stranger.rest();
    for (const user of this.#users) user.rest();
    for (const { list } of this.#lists) list.rest();
    const ending = new Ending({
      scheduler: this.#scheduler,
      trace: this.#trace,
      verdict: this.#verdict,
      cluster: this.#cluster,
      mirror: this.#checkers.mirror,
      users: this.#users,
      lists: this.#lists,
      failed,
    });
    await ending.run();
  }

  #listener(): UserListener & ListListener {
    const { views, lists, told } = this.#checkers;
    return {
      ...told,
      onOpen: (view) => {
        this.#trace.add(view.name, `opens ${view.chatId}`);
        views.onOpen(view);
      },
      onEvent: (view, event, before) => {
        this.#trace.add(view.name, nameOf(event));
        views.onEvent(view, event, before);
      },
      onListEvent: (list, event) => {
        this.#trace.add(list.name, nameOf(event));
        lists.onEvent(list, event);
      },
      onEnd: (view, error) => this.#trace.add(view.name, `ended: ${String(error)}`),
      onAction: (user, action, chatId, outcome) => {
        this.#actions[action] = (this.#actions[action] ?? 0) + 1;
        this.#trace.add(user.name, `${action} ${chatId ?? "-"}: ${outcome}`);
      },
      onUnexpected: (user, action, error) => {
        this.#verdict.fail("answers", `${user.name}'s ${action}: ${String(error)}`);
      },
    };
  }
}

function nameOf({ type, data }: { type: string; data: object }): string {
  const shown = [
    "id",
    "revision",
    "seq",
    "history_version",
    "generation_attempt",
    "status",
    "reason",
    "after",
  ];
  const fields = shown.flatMap((name) => {
    const value = (data as Record<string, unknown>)[name];
    return typeof value === "string" || typeof value === "number" ? [`${name}=${value}`] : [];
  });
  return [type, ...fields].join(" ");
}
