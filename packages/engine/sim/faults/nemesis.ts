import type { Cluster } from "../cluster.ts";
import type { User } from "../actors/user.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Trace } from "../trace.ts";
import { calm, type Rates } from "../weather.ts";
import { Aim } from "./aim.ts";
import { Effects } from "./effects.ts";
import { aimedKinds, faultKinds, type FaultKind } from "./kinds.ts";

/** Faults that are single happenings, with their mean distance in a run that has them. */
const happenings = {
  crash: 25_000,
  power_off: 70_000,
  pause: 30_000,
  long_pause: 80_000,
  drain: 60_000,
  rolling_restart: 120_000,
  partition_database: 50_000,
  partition_replicas: 40_000,
  relay_drop: 15_000,
  client_drop: 10_000,
  client_partition: 40_000,
  database_outage: 90_000,
  slow_network: 60_000,
  clock_jump: 40_000,
  listener_lost: 30_000,
  too_many_connections: 60_000,
} as const satisfies Partial<Record<FaultKind, number>>;

type Happening = keyof typeof happenings;

/** How far apart aimed faults of one kind are. */
const aimedEveryMs = 6_000;

/** A replica that dies while it starts does so within about this. */
const startingMs = 120;

/** How much of a run has trouble with its database and its notifications, a stretch at a time. */
const stretchMs = { trouble: 12_000, calm: 15_000 };

/** A replica that is down stays down for about this long. */
const downMs = 4_000;

const skewMsMax = 90_000;

export interface NemesisOptions {
  readonly cluster: Cluster;
  readonly users: readonly User[];
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly rng: Rng;
  readonly without: readonly FaultKind[];
  readonly only: readonly FaultKind[] | undefined;
  readonly count: (kind: string) => void;
}

/** What goes wrong, and when. Each kind draws from a source of its own. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #kinds: ReadonlySet<FaultKind>;
  /** In a storm everything comes so much more often. */
  readonly #factor: number;
  readonly #aim: Aim;
  readonly #effects: Effects;
  #over = false;

  constructor(options: NemesisOptions) {
    const { rng, without, only, cluster } = options;
    this.#options = options;
    // Not everything in every run: some bugs show only where nothing else hides them.
    const draw = rng.fork("kinds");
    const share = draw.pick([0, 0.3, 0.6, 1]);
    this.#factor = draw.pick([1, 1, 3, 8]);
    const drawn = only ?? faultKinds.filter(() => draw.chance(share));
    this.#kinds = new Set(drawn.filter((kind) => !without.includes(kind)));
    if (this.#has("clock_skew")) {
      const skew = rng.fork("clock_skew");
      const skews = cluster.hosts.map(() => (skew.float() * 2 - 1) * skewMsMax);
      cluster.skewMsOf = (host) => skews[cluster.hosts.indexOf(host)] ?? 0;
    }
    this.#effects = new Effects(options);
    this.#aim = new Aim({
      scheduler: options.scheduler,
      note: (kind, what) => this.#noteOf(kind)(what),
      crash: (process, chance) => this.#effects.crash(process, chance),
      pause: (process, ms) => this.#effects.pause(process, ms),
      cut: (process, ms) => this.#effects.cut(process, ms),
    });
  }

  get kinds(): readonly FaultKind[] {
    return [...this.#kinds];
  }

  start(): void {
    const atCommit = this.#options.rng.fork("at_commit");
    this.#options.cluster.weather.onCommitFault = (what, process) => {
      // Before it is in force, or after, as the network will have it.
      this.#options.scheduler.after(0, () => this.#hitAtCommit(what, process, atCommit));
    };
    for (const kind of Object.keys(happenings) as Happening[]) {
      if (!this.#has(kind)) continue;
      this.#every(happenings[kind], this.#options.rng.fork(kind), (rng) => this.#happen(kind, rng));
    }
    for (const kind of aimedKinds.filter((one) => this.#has(one))) {
      this.#every(aimedEveryMs, this.#options.rng.fork(kind), (rng) => this.#aim.take(kind, rng));
    }
    if (aimedKinds.some((kind) => this.#has(kind))) {
      this.#options.cluster.weather.aimed = (unit) => this.#aim.faultOf(unit);
    }
    if (this.#has("crash_at_start")) this.#crashStarting(this.#options.rng.fork("crash_at_start"));
    const stretches = this.#options.rng.fork("stretches");
    const alternate = (trouble: boolean): void => {
      if (this.#over) return;
      this.#options.cluster.weather.rates = trouble ? this.#rates(stretches.fork("rates")) : calm;
      const ms = stretches.exponential(trouble ? stretchMs.trouble : stretchMs.calm);
      this.#options.scheduler.after(ms, () => alternate(!trouble));
    };
    alternate(false);
  }

  /** Heals everything, and brings up what is down. */
  stop(): void {
    this.#over = true;
    this.#effects.end();
    this.#aim.clear();
    const { cluster } = this.#options;
    cluster.weather.aimed = () => null;
    cluster.onStart = () => {};
    cluster.weather.clear();
    for (const { process } of cluster.replicas) process.wake();
    for (const { device } of this.#options.users) {
      for (const connection of device.connections) connection.stall(false);
    }
    for (const host of cluster.hosts) cluster.start(host);
  }

  #has(kind: FaultKind): boolean {
    return this.#kinds.has(kind);
  }

  #rates(rng: Rng): Rates {
    const rate = (kind: FaultKind, most: number): number =>
      this.#has(kind) ? Math.min(0.5, most * this.#factor * rng.float()) : 0;
    const lost = rate("lost_answers", 0.004);
    const bus = this.#has("bus") ? rng.float() : 0;
    return {
      resetBefore: lost / 2,
      resetAfter: lost,
      sqlError: rate("database_errors", 0.004),
      slowStatement: rate("slow_statements", 0.02),
      crashAtCommit: rate("crash_at_commit", 0.01),
      pauseAtCommit: rate("pause_at_commit", 0.01),
      lostResponse: rate("lost_responses", 0.05),
      lostNotification: this.#has("bus_dead") ? 1 : bus * 0.6,
      doubledNotification: bus * 0.3,
      lateNotification: bus * 0.5,
    };
  }

  #every(meanMs: number, rng: Rng, fn: (rng: Rng) => void): void {
    const { scheduler } = this.#options;
    scheduler.after(rng.exponential(meanMs / Math.sqrt(this.#factor)), () => {
      if (this.#over) return;
      fn(rng);
      this.#every(meanMs, rng, fn);
    });
  }

  #noteOf(kind: FaultKind): (what: string) => void {
    const { trace, count } = this.#options;
    return (what) => {
      count(kind);
      trace.add("nemesis", `${kind} ${what}`);
    };
  }

  #happen(kind: Happening, rng: Rng): void {
    const { cluster, users } = this.#options;
    const up = cluster.replicas.filter(({ process }) => process.state !== "dead");
    if (up.length === 0) return;
    const victim = rng.pick(up);
    const { host, process } = victim;
    const note = this.#noteOf(kind);
    switch (kind) {
      case "crash":
        note(process.name);
        cluster.kill(host, true);
        return this.#effects.comeBack(host, rng.exponential(downMs));
      case "power_off":
        note(process.name);
        cluster.kill(host, false);
        return this.#effects.comeBack(host, rng.exponential(downMs));
      case "pause":
        return this.#effects.pause(process, rng.exponential(4_000), note);
      case "long_pause":
        // Longer than the lease.
        return this.#effects.pause(process, 20_000 + rng.exponential(8_000), note);
      case "drain":
        if (!victim.serves) return;
        note(process.name);
        return cluster.terminate(host, () => this.#effects.comeBack(host, rng.exponential(downMs)));
      case "rolling_restart":
        note("begins");
        return this.#effects.roll(cluster.hosts, rng);
      case "partition_database":
        return this.#effects.cut(process, rng.exponential(rng.chance(0.3) ? 15_000 : 3_000), note);
      case "partition_replicas":
        return this.#effects.part(process, rng.pick(up).process, rng, rng.exponential(8_000), note);
      case "relay_drop":
        if (cluster.relay.drop(() => rng.chance(0.7)) > 0) note("some");
        return;
      case "client_drop":
        if (cluster.http.drop({ host }) > 0) note(host);
        return;
      case "client_partition": {
        const { device } = rng.pick(users);
        return this.#effects.part(device.process, process, rng, rng.exponential(20_000), note);
      }
      case "database_outage":
        return this.#effects.outage(rng, note);
      case "slow_network":
        note("begins");
        cluster.weather.slow(rng.pick([10, 50, 200]));
        return this.#effects.later(rng.exponential(6_000), () => cluster.weather.slow(1));
      case "clock_jump":
        process.skewMs += (rng.float() * 2 - 1) * skewMsMax;
        return note(`${process.name} to ${(process.skewMs / 1000).toFixed(1)} s`);
      case "listener_lost": {
        const { database } = cluster;
        const listening = database.sessions.filter(
          ({ listens, process: its }) => listens && its === process,
        );
        if (listening.length > 0) note(process.name);
        for (const session of listening) database.close(session, new Error("terminated"));
        return;
      }
      case "too_many_connections": {
        note("begins");
        const { database, weather } = cluster;
        weather.databaseFull(true);
        for (const session of database.sessions) {
          if (rng.chance(0.3)) database.close(session, new Error("terminated"));
        }
        return this.#effects.later(rng.exponential(5_000), () => weather.databaseFull(false));
      }
      default:
        kind satisfies never;
    }
  }

  #hitAtCommit(what: "crash" | "pause", process: SimProcess, rng: Rng): void {
    const { cluster, trace } = this.#options;
    const victim = cluster.replicas.find((replica) => replica.process === process);
    if (this.#over || !victim) return;
    trace.add("nemesis", `${what} at commit ${process.name}`);
    if (what === "pause") {
      const ms = rng.chance(0.5) ? 21_000 + rng.exponential(4_000) : rng.exponential(4_000);
      return this.#effects.pause(process, ms);
    }
    this.#effects.crash(process, rng);
  }

  /** Some die while they start; those that come after them find what is half done. */
  #crashStarting(rng: Rng): void {
    this.#options.cluster.onStart = (_host, process) => {
      if (!rng.chance(0.3)) return;
      this.#effects.later(rng.exponential(startingMs), () => {
        if (process.state === "dead") return;
        this.#noteOf("crash_at_start")(process.name);
        this.#effects.crash(process, rng);
      });
    };
  }
}
