import { AsyncLocalStorage } from "node:async_hooks";
import type { SimProcess } from "./process.ts";

/** In whose simulated process the code that runs now belongs; the libraries that it uses included. */
const inside = new AsyncLocalStorage<SimProcess | "database">();

export function runInside(process: SimProcess, fn: () => void): void {
  inside.run(process, fn);
}

interface World {
  readonly wallMs: number;
  float(): number;
}

/**
 * Our own code takes time and chance through seams; libraries do not. While the world runs, what they would find in the
 * global scope is the simulated process's own. Code outside of the simulation, such as a test runner's, sees the real
 * ones: who asks is known by the asynchronous context.
 *
 * @returns the way back.
 */
export function replaceGlobals(world: World): () => void {
  const real = { Date, setTimeout, clearTimeout, setInterval, clearInterval, random: Math.random };
  const wallMs = (): number | null => {
    const where = inside.getStore();
    if (where === undefined) return null;
    // The database's clock has fractions; JavaScript's has none.
    return where === "database" ? world.wallMs : Math.floor(where.wallMs);
  };
  class SimDate extends real.Date {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(wallMs() ?? real.Date.now());
      else super(...(args as [number]));
    }
    static override now(): number {
      return wallMs() ?? real.Date.now();
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof real.Date;
    }
  }
  globalThis.Date = SimDate as DateConstructor;
  Math.random = () => (inside.getStore() === undefined ? real.random() : world.float());
  replaceTimers(real);
  return () => {
    globalThis.Date = real.Date;
    Math.random = real.random;
    Object.assign(globalThis, {
      setTimeout: real.setTimeout,
      clearTimeout: real.clearTimeout,
      setInterval: real.setInterval,
      clearInterval: real.clearInterval,
    });
  };
}

/** Runs what belongs to the database, by the world's clock. */
export function runInDatabase<T>(fn: () => T): T {
  return inside.run("database", fn);
}

type Real = Pick<
  typeof globalThis,
  "setTimeout" | "clearTimeout" | "setInterval" | "clearInterval"
>;

/** What is given out instead of Node's handles. */
class Handle {
  cancel: () => void = () => {};
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  refresh(): this {
    return this;
  }
  close(): this {
    this.cancel();
    return this;
  }
}

type Callback = (...args: unknown[]) => void;

function replaceTimers(real: Real): void {
  const setTimeout = (fn: Callback, ms = 0, ...args: unknown[]): unknown => {
    const process = inside.getStore();
    if (process === undefined) return real.setTimeout(fn, ms, ...args);
    const handle = new Handle();
    // PostgreSQL's own timeouts would fire in real time, so that a slow machine gave another trace.
    if (process === "database") return handle;
    const timer = process.timer(ms, "library", () => fn(...args));
    handle.cancel = () => timer.cancel();
    return handle;
  };
  const setInterval = (fn: Callback, ms = 0, ...args: unknown[]): unknown => {
    const process = inside.getStore();
    if (process === undefined) return real.setInterval(fn, ms, ...args);
    const handle = new Handle();
    if (process === "database") return handle;
    const arm = (): void => {
      const timer = process.timer(Math.max(1, ms), "library interval", () => {
        arm();
        fn(...args);
      });
      handle.cancel = () => timer.cancel();
    };
    arm();
    return handle;
  };
  const clear =
    (otherwise: (handle: never) => void) =>
    (handle: unknown): void => {
      if (handle instanceof Handle) handle.cancel();
      else otherwise(handle as never);
    };
  Object.assign(globalThis, {
    setTimeout,
    setInterval,
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
  });
}
