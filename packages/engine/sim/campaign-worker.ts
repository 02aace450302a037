import type { FinishedRun, RunOrder } from "./campaign.ts";
import { Backend } from "./database/backend.ts";
import { mutationOf } from "./mutations/mutations.ts";
import { simulate } from "./run.ts";

/** One process of a campaign: it is sent orders, one after the other, and sends back what came of each. */
const backend = Backend.start();

process.on("message", (order: RunOrder) => void work(order));
process.on("disconnect", () => process.exit(0));

async function work(order: RunOrder): Promise<void> {
  const { mutation, ...options } = order;
  const before = process.cpuUsage();
  const result = await simulate(await backend, {
    ...options,
    ...(mutation === undefined ? {} : { mutation: mutationOf(mutation) }),
  });
  const { user, system } = process.cpuUsage(before);
  const finished: FinishedRun = { order, result, cpuMs: (user + system) / 1_000 };
  process.send?.(finished);
}
