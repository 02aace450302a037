/**
 * What the front knows of a replica. `ready`: its `/readyz` says so, or it has just come up. `unready`: it answers, but
 * drains or has no database. `silent`: it does not answer at all.
 */
export type Health = "ready" | "unready" | "silent";

/** Where a replica listens. */
export interface Backend {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/**
 * The replicas to try for one request, in order: those that are ready, each request beginning with the next of them;
 * then those that at least answer, since their own words ("draining") are better than ours. One that is silent is
 * not asked: it would take the request and never answer.
 *
 * @param turn counts requests
 */
export function rotation<T extends { readonly health: Health }>(
  backends: readonly T[],
  turn: number,
): readonly T[] {
  return (["ready", "unready"] as const).flatMap((health) =>
    rotate(
      backends.filter((backend) => backend.health === health),
      turn,
    ),
  );
}

function rotate<T>(list: readonly T[], by: number): readonly T[] {
  if (list.length === 0) return list;
  const from = by % list.length;
  return [...list.slice(from), ...list.slice(0, from)];
}
