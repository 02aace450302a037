import type { DatabaseWeather, UnitFault } from "./database/ports.ts";
import type { Unit } from "./database/session.ts";
import type { ServerError } from "./database/wire.ts";
import { passingErrors, tooManyConnections } from "./faults/errors.ts";
import type { NetworkWeather } from "./network/weather.ts";
import type { SimProcess } from "./process.ts";
import type { Rng } from "./rng.ts";

/** How likely each trouble is while there is any: of one unit of SQL, or of one copy of a notification. */
export interface Rates {
  resetBefore: number;
  resetAfter: number;
  sqlError: number;
  slowStatement: number;
  /** Of one COMMIT. */
  crashAtCommit: number;
  pauseAtCommit: number;
  /** Of one answer to a client. */
  lostResponse: number;
  lostNotification: number;
  doubledNotification: number;
  lateNotification: number;
}

export const calm: Rates = {
  resetBefore: 0,
  resetAfter: 0,
  sqlError: 0,
  slowStatement: 0,
  crashAtCommit: 0,
  pauseAtCommit: 0,
  lostResponse: 0,
  lostNotification: 0,
  doubledNotification: 0,
  lateNotification: 0,
};

const slowMs = { tail: 400, severeMax: 9_000 };

/** What the network and the database are like, from one moment to the next. */
export class Weather implements DatabaseWeather, NetworkWeather {
  readonly #rng: Rng;
  readonly #count: (kind: string) => void;
  rates: Rates = calm;
  /** What hits a process at a COMMIT is the nemesis' to bring about. */
  onCommitFault: (what: "crash" | "pause", process: SimProcess) => void = () => {};
  /** Faults at named places come before those at random. */
  aimed: (unit: Unit) => UnitFault | null = () => null;
  #full = false;
  readonly #cutFromDatabase = new Set<SimProcess>();
  readonly #partitions = new Set<string>();
  #databaseDown = false;
  #slowFactor = 1;

  constructor(rng: Rng, count: (kind: string) => void) {
    this.#rng = rng;
    this.#count = count;
  }

  latencyMs(_from: SimProcess, _to?: SimProcess): number {
    const ms = 0.05 + this.#rng.float() * 0.3;
    return this.#slowFactor === 1 ? ms : ms * this.#slowFactor * this.#rng.float();
  }

  get databaseUp(): boolean {
    return !this.#databaseDown;
  }

  reachesDatabase(process: SimProcess): boolean {
    return !this.#cutFromDatabase.has(process);
  }

  passes(from: SimProcess, to: SimProcess): boolean {
    return !this.#partitions.has(way(from, to));
  }

  faultOf(unit: Unit): UnitFault | null {
    const aimed = this.aimed(unit);
    if (aimed !== null) return aimed;
    const { rates } = this;
    if (rates === calm) return null;
    if (unit.commits && unit.session.transaction.length + unit.names.length > 0) {
      this.#atCommit(unit.session.process);
    }
    const die = this.#rng.float();
    let edge = rates.resetBefore;
    if (die < edge) return this.#counted("db_reset_before", { kind: "reset_before" });
    edge += rates.resetAfter;
    if (die < edge) {
      const name = unit.commits ? "db_commit_answer_lost" : "db_reset_after";
      return this.#counted(name, { kind: "reset_after" });
    }
    edge += rates.sqlError;
    if (die < edge && unit.text !== "rollback") {
      return this.#counted("db_error", { kind: "error", error: this.#rng.pick(passingErrors) });
    }
    edge += rates.slowStatement;
    if (die >= edge) return null;
    const severe = this.#rng.chance(0.1);
    const ms = severe ? this.#rng.float() * slowMs.severeMax : this.#rng.exponential(slowMs.tail);
    // A transaction that is slow here holds up everybody, which no server would do for long.
    return this.#counted("db_slow", {
      kind: "slow",
      ms: unit.session.status === "I" ? ms : ms / 20,
    });
  }

  /** Just before or just after it is in force, which is where a crash does most. */
  #atCommit(process: SimProcess): void {
    const { rates } = this;
    if (this.#rng.chance(rates.crashAtCommit)) {
      this.#count("crash_at_commit");
      this.onCommitFault("crash", process);
    } else if (this.#rng.chance(rates.pauseAtCommit)) {
      this.#count("pause_at_commit");
      this.onCommitFault("pause", process);
    }
  }

  losesResponse(): boolean {
    const { rates } = this;
    if (rates.lostResponse === 0 || !this.#rng.chance(rates.lostResponse)) return false;
    this.#count("lost_response");
    return true;
  }

  notification(process: SimProcess): readonly number[] {
    const { rates } = this;
    const ms = this.latencyMs(process);
    if (rates === calm) return [ms];
    if (this.#rng.chance(rates.lostNotification)) return this.#counted("bus_lost", []);
    if (this.#rng.chance(rates.doubledNotification)) {
      return this.#counted("bus_doubled", [ms, ms + this.#rng.float() * 500]);
    }
    if (this.#rng.chance(rates.lateNotification)) {
      // Some come when everybody has forgotten what they are about.
      const meanMs = this.#rng.chance(0.2) ? 20_000 : 1_500;
      return this.#counted("bus_late", [ms + this.#rng.exponential(meanMs)]);
    }
    return [ms];
  }

  /** New sessions find no room. */
  databaseFull(full: boolean): void {
    this.#full = full;
  }

  refusal(): ServerError | null {
    if (!this.#full) return null;
    this.#count("connection_refused");
    return tooManyConnections;
  }

  /** Nobody reaches the database; its connections are the caller's to break. */
  databaseDown(down: boolean): void {
    this.#databaseDown = down;
  }

  cutFromDatabase(process: SimProcess, cut: boolean): void {
    if (cut) this.#cutFromDatabase.add(process);
    else this.#cutFromDatabase.delete(process);
  }

  /** One way only. */
  partition(from: SimProcess, to: SimProcess, apart: boolean): void {
    if (apart) this.#partitions.add(way(from, to));
    else this.#partitions.delete(way(from, to));
  }

  slow(factor: number): void {
    this.#slowFactor = factor;
  }

  /** Everything works from now on. */
  clear(): void {
    this.rates = calm;
    this.#databaseDown = false;
    this.#full = false;
    this.#cutFromDatabase.clear();
    this.#partitions.clear();
    this.#slowFactor = 1;
  }

  #counted<T>(kind: string, fault: T): T {
    this.#count(kind);
    return fault;
  }
}

function way(from: SimProcess, to: SimProcess): string {
  return `${from.name}>${to.name}`;
}
