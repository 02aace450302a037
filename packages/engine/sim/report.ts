import type { FinishedRun, RunOrder } from "./campaign.ts";
import { commitHash } from "./seeds.ts";

/** Lines before the failure that are shown. */
const tailLinesShown = 60;

/** What many runs came to. */
export class Totals {
  runs = 0;
  failed = 0;
  virtualMs = 0;
  cpuMs = 0;
  statements = 0;
  readonly faults = new Map<string, number>();
  readonly checks = new Map<string, number>();
  readonly actions = new Map<string, number>();

  add({ result, cpuMs }: FinishedRun): void {
    this.runs += 1;
    if (result.violations.length > 0) this.failed += 1;
    this.virtualMs += result.virtualMs;
    this.cpuMs += cpuMs;
    this.statements += result.statements;
    addAll(this.faults, result.faults);
    addAll(this.checks, result.checks);
    addAll(this.actions, result.actions);
  }

  lines(wallMs: number): string[] {
    const hours = this.virtualMs / 3_600_000;
    const perCpu = this.virtualMs / Math.max(1, this.cpuMs);
    const perWall = this.virtualMs / Math.max(1, wallMs);
    return [
      `${this.runs} runs, ${this.failed} failed`,
      `${hours.toFixed(2)} virtual hours in ${(wallMs / 1000).toFixed(0)} s: ${perWall.toFixed(0)} times as fast as the clock, ` +
        `${perCpu.toFixed(0)} times per processor; ${this.statements} SQL messages`,
      `faults: ${listed(this.faults)}`,
      `user actions: ${listed(this.actions)}`,
      `checks: ${listed(this.checks)}`,
    ];
  }
}

function addAll(map: Map<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(more)) map.set(name, (map.get(name) ?? 0) + n);
}

function listed(map: ReadonlyMap<string, number>): string {
  const total = [...map.values()].reduce((sum, n) => sum + n, 0);
  const each = [...map].sort(([, a], [, b]) => b - a).map(([name, n]) => `${name} ${n}`);
  return `${total} (${each.join(", ")})`;
}

/** The command that runs it again. */
export function commandOf(order: RunOrder): string {
  const options = [`--seed ${order.seed}`, `--minutes ${order.minutes}`];
  if (order.withoutFaults.length > 0)
    options.push(`--without-faults ${order.withoutFaults.join(",")}`);
  if (order.withoutActions.length > 0) {
    options.push(`--without-actions ${order.withoutActions.join(",")}`);
  }
  if (order.onlyFaults) options.push(`--only-faults ${order.onlyFaults.join(",") || "none"}`);
  if (order.replicas !== undefined) options.push(`--replicas ${order.replicas}`);
  if (order.users !== undefined) options.push(`--users ${order.users}`);
  if (order.mutation !== undefined) options.push(`--mutation "${order.mutation}"`);
  return `npm run sim -- ${options.join(" ")}`;
}

/** All that is needed to look into a failure. */
export function failureLines({ order, result }: FinishedRun, tail = tailLinesShown): string[] {
  return [
    `FAILED: seed ${result.seed}, commit ${commitHash() ?? "unknown"}, after ${(result.virtualMs / 1000).toFixed(3)} s`,
    ...result.violations.map(
      ({ checker, atMs, message }) => `  ${(atMs / 1000).toFixed(6)} ${checker}: ${message}`,
    ),
    `  the end of its trace (${result.lines} lines, digest ${result.digest.slice(0, 16)}):`,
    ...result.tail.slice(-tail).map((line) => `    ${line.slice(0, 300)}`),
    `  again: ${commandOf(order)}`,
    `  smaller: ${commandOf(order)} --shrink`,
  ];
}
