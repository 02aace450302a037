import type { ReplicaInfo } from "@parley/protocol";
import { hostOf, shortId } from "./wording.ts";

/** What people know a replica by: its address, or where it has none the end of its id. */
export function nameOf({ address, id }: Pick<ReplicaInfo, "address" | "id">): string {
  return hostOf(address) ?? `Server ${shortId(id)}`;
}
