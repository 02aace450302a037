import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";

/** Whoever spends processor time. */
export interface Spender {
  readonly name: string;
  /** Spent so far, in microseconds; NaN where the machine does not say. */
  cpu(): Promise<number>;
}

export async function cpuOf(spenders: readonly Spender[]): Promise<number> {
  const all = await Promise.all(spenders.map(async (spender) => await spender.cpu()));
  return all.reduce((sum, each) => sum + each, 0);
}

/** Linux counts in hundredths of a second. */
const tickMicros = 10_000;

/** Of a process, those of its children that have ended, and those that have not: what /proc says. */
export function processTime(pid: number): () => Promise<number> {
  return async () => {
    if (!existsSync("/proc/self/stat")) return NaN;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    const [own, ...live] = await Promise.all([
      ticksOf(pid, [11, 12, 13, 14]),
      ...children.split(" ").flatMap((child) => {
        return child.trim() === "" ? [] : [ticksOf(Number(child), [11, 12])];
      }),
    ]);
    return live.reduce((sum, each) => sum + each, own) * tickMicros;
  };
}

async function ticksOf(pid: number, fields: readonly number[]): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // What stands before the last bracket may have spaces in it.
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.reduce((sum, field) => sum + Number(values[field] ?? 0), 0);
}
