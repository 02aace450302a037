import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { defineTool, type Tool } from "./tool.ts";

const waitSecondsMax = 300;
const diceMax = 100;

/** Harmless tools for the demo models, and for them only. */
export function demoTools({
  clock,
  random,
}: {
  clock: Clock;
  random: Pick<Random, "float">;
}): Tool[] {
  const offeredTo = (model: string): boolean => model.startsWith("demo/");
  return [
    defineTool({
      name: "clock",
      description: "Tells the time of the server, in UTC.",
      input: z.strictObject({}),
      delivery: "at_least_once",
      offeredTo,
      execute: () => ({ utc: new Date(clock.now()).toISOString() }),
    }),
    defineTool({
      name: "roll_dice",
      description: "Rolls dice and gives each result and their sum.",
      input: z.strictObject({
        count: z.int().min(1).max(diceMax).default(1),
        sides: z.int().min(2).max(1_000).default(6),
      }),
      delivery: "at_most_once",
      offeredTo,
      execute({ count, sides }) {
        const rolls = Array.from({ length: count }, () => 1 + Math.floor(random.float() * sides));
        return { rolls, sum: rolls.reduce((sum, roll) => sum + roll, 0) };
      },
    }),
    defineTool({
      name: "wait",
      description: "Waits for some seconds and tells how far it is meanwhile.",
      input: z.strictObject({ seconds: z.number().min(0).max(waitSecondsMax).default(3) }),
      timeoutMs: (waitSecondsMax + 10) * 1_000,
      delivery: "at_least_once",
      offeredTo,
      async execute({ seconds }, { signal, progress }) {
        for (let waited = 0; waited < seconds && !signal.aborted; waited++) {
          progress({ waited, of: seconds });
          // oxlint-disable-next-line no-await-in-loop
          await clock.sleep(Math.min(1, seconds - waited) * 1_000, "demo wait tool", signal);
        }
        return { waited_seconds: seconds };
      },
    }),
    defineTool({
      name: "send_email",
      description: "Pretends to send an e-mail: a person must approve it, and nothing is sent.",
      input: z.strictObject({
        to: z.string().max(320).default("ada@example.com"),
        subject: z.string().max(1_000).default("Hello"),
        body: z.string().max(10_000).default(""),
      }),
      approval: true,
      delivery: "at_most_once",
      offeredTo,
      execute: ({ to, subject }, { idempotencyKey }) => ({
        pretended: true,
        to,
        subject,
        message_id: `<${idempotencyKey}@demo.invalid>`,
      }),
    }),
  ];
}
