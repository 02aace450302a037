import type { UnitFault } from "../database/ports.ts";
import type { Unit } from "../database/session.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import type { Scheduler } from "../scheduler.ts";
import { passingErrors } from "./errors.ts";
import type { AimedKind } from "./kinds.ts";

/** One fault, and the place that it waits for. */
interface Target {
  readonly kind: AimedKind;
  readonly rng: Rng;
  /** A statement's name. */
  readonly statement: string;
  /** Whether it is the statement itself that is hit, or the COMMIT of the transaction in which it stands. */
  readonly at: "statement" | "commit";
  /** Null: of any replica. */
  readonly process: SimProcess | null;
  /** Times that it comes by unhurt before. */
  skip: number;
  /** Hits that are left: what recovers from one may not recover from the next. */
  left: number;
}

/** Targets that wait at once: what is never sent would pile up. */
const targetsMax = 24;

const pausedMs = { short: 3_000, lease: 20_500, spread: 3_000 };
const silentMs = { short: 2_500, long: 18_000 };
const slowMsMax = 12_000;

export interface AimDeps {
  readonly scheduler: Scheduler;
  readonly note: (kind: AimedKind, what: string) => void;
  readonly crash: (process: SimProcess, rng: Rng) => void;
  readonly pause: (process: SimProcess, ms: number) => void;
  readonly cut: (process: SimProcess, ms: number) => void;
}

/**
 * Faults at named places. At random times most hit what is common and harmless; here every statement that a run has sent
 * is as likely as any other, its transaction's COMMIT too, and often what comes next in the same process is hit as well.
 */
export class Aim {
  readonly #deps: AimDeps;
  /** In the order in which they were first sent, so that a draw means the same in every run of a seed. */
  readonly #seen = new Set<string>();
  readonly #targets: Target[] = [];

  constructor(deps: AimDeps) {
    this.#deps = deps;
  }

  /** Waits for one of the statements that were sent so far. */
  take(kind: AimedKind, rng: Rng): void {
    if (this.#seen.size === 0 || this.#targets.length >= targetsMax) return;
    this.#targets.push({
      kind,
      rng,
      statement: rng.pick([...this.#seen]),
      at: rng.chance(0.4) ? "commit" : "statement",
      process: null,
      skip: rng.pick([0, 0, 1, 3]),
      left: rng.pick([1, 1, 1, 2, 4]),
    });
  }

  clear(): void {
    this.#targets.length = 0;
  }

  /** What happens to this unit, which is about to run. */
  faultOf(unit: Unit): UnitFault | null {
    const { session, names, text } = unit;
    if (text === null) for (const name of names) this.#seen.add(name);
    const target = this.#targets.find((one) => isAt(one, unit));
    if (target === undefined) return null;
    if (target.skip > 0) {
      target.skip -= 1;
      return null;
    }
    target.left -= 1;
    if (target.left <= 0) this.#targets.splice(this.#targets.indexOf(target), 1);
    const { process } = session;
    this.#deps.note(target.kind, `${process.name} at ${target.at} of ${target.statement}`);
    if (target.rng.chance(0.3)) this.#follow(target, process);
    return this.#hit(target, process);
  }

  /** Whatever this process does next, where it has just been hit. */
  #follow({ kind, rng }: Target, process: SimProcess): void {
    this.#targets.push({
      kind,
      rng,
      process,
      statement: "*",
      at: "statement",
      skip: rng.int(0, 6),
      left: 1,
    });
  }

  #hit({ kind, rng }: Target, process: SimProcess): UnitFault | null {
    const { crash, pause, cut, scheduler } = this.#deps;
    // Before the statement runs, or when it has run and its answer is on the way.
    const before = rng.chance(0.5);
    const soon = (fn: () => void): UnitFault | null => {
      scheduler.after(0, fn);
      return before ? { kind: "reset_before" } : null;
    };
    switch (kind) {
      case "aimed_cut":
        return { kind: before ? "reset_before" : "reset_after" };
      case "aimed_error":
        return { kind: "error", error: rng.pick(passingErrors) };
      case "aimed_slow":
        return { kind: "slow", ms: rng.float() * slowMsMax };
      case "aimed_silence": {
        const ms = rng.exponential(rng.chance(0.3) ? silentMs.long : silentMs.short);
        scheduler.after(0, () => cut(process, ms));
        return null;
      }
      case "aimed_crash":
        return soon(() => crash(process, rng));
      case "aimed_pause": {
        const { short, lease, spread } = pausedMs;
        const ms = rng.chance(0.5) ? lease + rng.exponential(spread) : rng.exponential(short);
        scheduler.after(0, () => pause(process, ms));
        return null;
      }
      default:
        throw new Error(`no aimed fault ${String(kind satisfies never)}`);
    }
  }
}

function isAt({ at, statement, process }: Target, unit: Unit): boolean {
  const { session, names, text, commits } = unit;
  if (process !== null && session.process !== process) return false;
  if (text === "rollback") return false;
  if (at === "commit") return commits && [...session.transaction, ...names].includes(statement);
  return statement === "*" || (text === null && names.includes(statement));
}
