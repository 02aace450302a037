import { Cluster } from "./cluster.ts";
import { Program } from "./program.ts";

/** Everything that a scenario has started. */
export interface Stage {
  readonly cluster: Cluster;
  readonly start: (file: string, settings?: Readonly<Record<string, unknown>>) => Promise<Program>;
  /** Done when the scenario has ended. */
  readonly onEnd: (work: () => void) => void;
}

/** Several at once, each with a database server of its own. */
export async function onStages<T>(
  count: number,
  play: (stages: readonly Stage[]) => Promise<T>,
): Promise<T> {
  if (count === 0) return await play([]);
  return await onStage(async (stage) => {
    return await onStages(count - 1, async (others) => await play([stage, ...others]));
  });
}

/** A database and programs, ended with the scenario, however that ends. */
export async function onStage<T>(play: (stage: Stage) => Promise<T>): Promise<T> {
  const cluster = await Cluster.start();
  const started: Program[] = [];
  const ends: (() => void)[] = [];
  try {
    return await play({
      cluster,
      async start(file, settings = {}) {
        const program = await Program.start(file, settings);
        started.push(program);
        return program;
      },
      onEnd: (work) => void ends.push(work),
    });
  } finally {
    await Promise.all(started.map(async (program) => await program.kill()));
    for (const end of ends) end();
    await cluster.stop();
  }
}
