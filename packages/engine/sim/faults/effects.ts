import type { Cluster } from "../cluster.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import type { Scheduler } from "../scheduler.ts";

/** A replica that is down stays down for about this long. */
const downMs = 4_000;

type Note = (what: string) => void;

const quietly: Note = () => {};

/** What is done to replicas, networks and the database, each with its end. */
export class Effects {
  readonly #options: { readonly cluster: Cluster; readonly scheduler: Scheduler };
  #over = false;

  constructor(options: { readonly cluster: Cluster; readonly scheduler: Scheduler }) {
    this.#options = options;
  }

  /** Nothing new from now on, and no end of what there was: that is healed at once, elsewhere. */
  end(): void {
    this.#over = true;
  }

  /** Its machine goes on and says so, mostly. */
  crash(process: SimProcess, rng: Rng): void {
    const { cluster } = this.#options;
    const victim = cluster.replicas.find((replica) => replica.process === process);
    if (this.#over || !victim) return;
    cluster.kill(victim.host, rng.chance(0.8));
    this.comeBack(victim.host, rng.exponential(downMs));
  }

  /** At once, where everything has healed while it went down. */
  comeBack(host: string, ms: number): void {
    const { cluster } = this.#options;
    if (this.#over) cluster.start(host);
    else this.later(ms, () => cluster.start(host));
  }

  later(ms: number, fn: () => void): void {
    this.#options.scheduler.after(ms, () => {
      if (!this.#over) fn();
    });
  }

  pause(process: SimProcess, ms: number, note: Note = quietly): void {
    if (this.#over || process.state !== "running") return;
    note(`${process.name} for ${(ms / 1000).toFixed(1)} s`);
    process.pause();
    this.later(ms, () => process.wake());
  }

  /** Half-open: nothing passes, and nobody is told; the server ends the sessions, or everything goes on. */
  cut(process: SimProcess, ms: number, note: Note = quietly): void {
    if (this.#over) return;
    const { cluster } = this.#options;
    note(`${process.name} for ${(ms / 1000).toFixed(1)} s`);
    cluster.weather.cutFromDatabase(process, true);
    this.later(ms, () => cluster.weather.cutFromDatabase(process, false));
  }

  part(a: SimProcess, b: SimProcess, rng: Rng, ms: number, note: Note = quietly): void {
    if (a === b) return;
    note(`${a.name} and ${b.name} for ${(ms / 1000).toFixed(1)} s`);
    const { weather } = this.#options.cluster;
    const oneWay = rng.chance(0.4);
    for (const [from, to] of oneWay
      ? [[a, b] as const]
      : ([
          [a, b],
          [b, a],
        ] as const)) {
      weather.partition(from, to, true);
      this.later(ms, () => weather.partition(from, to, false));
    }
  }

  outage(rng: Rng, note: Note = quietly): void {
    const { cluster } = this.#options;
    const ms = rng.exponential(rng.chance(0.3) ? 25_000 : 4_000);
    note(`for ${(ms / 1000).toFixed(1)} s`);
    cluster.weather.databaseDown(true);
    for (const session of cluster.database.sessions) {
      cluster.database.close(session, new Error("the database server was ended"));
    }
    this.later(ms, () => cluster.weather.databaseDown(false));
  }

  /** One replica after the other, as an update does it. */
  roll(hosts: readonly string[], rng: Rng): void {
    const [host, ...rest] = hosts;
    if (host === undefined || this.#over) return;
    const { cluster } = this.#options;
    const next = (): void => {
      const ms = 500 + rng.exponential(1_000);
      this.comeBack(host, ms);
      this.later(ms + 2_000, () => this.roll(rest, rng));
    };
    if (cluster.replica(host)?.serves === true) cluster.terminate(host, next);
    else this.roll(rest, rng);
  }
}
