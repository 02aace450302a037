import { useClient } from "@parley/client/react";
import type { ReplicaInfo } from "@parley/protocol";
import { useCallback, type ReactNode } from "react";
import { reasonOf } from "../../ui/toast-store.ts";
import { Spinner } from "../../ui/spinner.tsx";
import { nameOf } from "../replica-name.ts";
import { usePolled } from "../use-polled.ts";
import { Plots } from "./plots.tsx";

/** As often as there is a new point. */
const everyMs = 5_000;

export function LivePlots({ replicas }: { replicas: readonly ReplicaInfo[] }): ReactNode {
  const client = useClient();
  // The list is another object each time; what is asked for changes only with who is in it.
  const ids = replicas.map(({ id }) => id).join();
  const read = useCallback(
    async (signal: AbortSignal) =>
      await Promise.all(
        ids.split(",").map(async (id) => {
          // One that has just gone is no reason to show nothing of the others.
          const metrics = await client.replicaMetrics(id, { signal }).catch((error: unknown) => {
            if (signal.aborted) throw error;
            return null;
          });
          return metrics === null ? [] : [metrics];
        }),
      ).then((all) => all.flat()),
    [client, ids],
  );
  const { value, error } = usePolled(read, everyMs);
  if (error !== null) return <p className="text-sm text-danger">{reasonOf(error)}</p>;
  if (value === null) return <Spinner label="Loading the figures" className="text-ink-muted" />;
  const measured = value.flatMap((metrics) => {
    const colour = replicas.findIndex(({ id }) => id === metrics.replica_id);
    const replica = replicas[colour];
    return replica === undefined ? [] : [{ name: nameOf(replica), colour, metrics }];
  });
  return <Plots measured={measured} />;
}
