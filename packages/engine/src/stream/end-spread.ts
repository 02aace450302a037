import type { StreamCloseReason } from "@parley/protocol";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Subscriber } from "./subscriber.ts";

/** Ends streams at random moments within the given time, so that their clients do not all come back at once. */
export async function endSpread(
  subscribers: readonly Subscriber[],
  reason: StreamCloseReason,
  spreadMs: number,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<void> {
  await Promise.all(
    subscribers.map(async (subscriber) => {
      if (spreadMs > 0) await clock.sleep(random.float() * spreadMs, "stream.close");
      subscriber.end(reason);
    }),
  );
}
