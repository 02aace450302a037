import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";
import { nowMs } from "./time.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  const [first] = cpus();
  // Virtual machines may not say.
  const speed = first?.speed ?? 0;
  return {
    processor: `${first?.model.trim() || arch()}${speed > 0 ? ` ${(speed / 1000).toFixed(1)} GHz` : ""}`,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** How much of the machine was ours at a moment. */
export interface Calm {
  /** Wall time over processor time of a loop that does nothing but compute: 1 on a machine that has nothing else to do. */
  readonly stretch: number;
  /** Processes that want to run, per core, over the last minute; our own included. */
  readonly loadPerCore: number;
}

const loopCpuMs = 30;

/** Beyond this, others took enough of the machine that only ratios within one round mean something. */
const noisyStretch = 1.15;

export function calibrate(): Calm {
  const startedAt = nowMs();
  const before = process.cpuUsage();
  let spent = 0;
  let x = 1;
  while (spent < loopCpuMs * 1000) {
    for (let i = 0; i < 100_000; i++) x = (x * 1103515245 + 12345) % 2147483648;
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
  const wall = nowMs() - startedAt;
  const loadPerCore = (loadavg()[0] ?? 0) / cpus().length;
  // `x` is used, so that the loop is not left out.
  return { stretch: x < 0 ? NaN : (wall * 1000) / spent, loadPerCore };
}

export function isNoisy(calms: readonly Calm[]): boolean {
  return calms.some(({ stretch }) => stretch > noisyStretch);
}
