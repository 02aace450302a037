import type { SimProcess } from "../process.ts";
import type { Unit } from "./session.ts";
import type { ServerError } from "./wire.ts";

/** What a checker hears: a transaction that is in force, with what it did to the rows that matter. */
export interface Committed {
  readonly process: SimProcess;
  readonly statements: readonly string[];
  readonly changes: readonly Change[];
}

export interface Change {
  readonly table: string;
  readonly op: "INSERT" | "UPDATE" | "DELETE";
  /** The row as it is now, or was before its deletion. */
  readonly row: Record<string, unknown>;
}

/** What goes wrong with one unit. */
export type UnitFault =
  | { readonly kind: "reset_before" }
  | { readonly kind: "reset_after" }
  | { readonly kind: "error"; readonly error: ServerError }
  | { readonly kind: "slow"; readonly ms: number };

/** How the network and the server behave. */
export interface DatabaseWeather {
  /** One way, in milliseconds. */
  latencyMs(process: SimProcess): number;
  /** Whether the server answers at all; where it does not, connections are refused. */
  readonly databaseUp: boolean;
  /** Whether anything gets through between the two now. */
  reachesDatabase(process: SimProcess): boolean;
  /** What a new session is told instead of a greeting. */
  refusal(): ServerError | null;
  faultOf(unit: Unit): UnitFault | null;
  /** When a notification arrives, each entry a copy; none: it is lost. */
  notification(process: SimProcess): readonly number[];
}

/** Bugs put in on purpose, by `mutations/`. */
export interface Sabotage {
  /** Another text for a statement. */
  rewrite?: (this: void, name: string, text: string) => string;
  /** Says that it has committed, and rolls back. */
  lies?(unit: Unit): boolean;
  /** Never answers. */
  swallows?(unit: Unit): boolean;
}

export interface ClientEnd {
  receive(bytes: Buffer): void;
  broken(error: Error): void;
}
