import type { ChatRow } from "../../src/domain/rows.ts";
import type { State } from "../../src/domain/state.ts";
import type { TransitionName } from "../../src/domain/transitions.ts";
import type { Bundle } from "../../src/machine/bundle.ts";
import type { Fixture, Options } from "../chat-in-state.ts";
import type { World } from "../world.ts";

/** One row of the table at work: what it starts from, and everything that it may change. */
export interface Scenario {
  readonly from: State;
  readonly variant?: string;
  readonly to: State;
  /** What sets it apart from others of the same row. */
  readonly when?: string;
  readonly with?: Options;
  /** Brings about what the fixture's options cannot. */
  readonly prepare?: (world: World, fixture: Fixture) => Promise<unknown>;
  readonly apply: (bundle: Bundle, fixture: Fixture, world: World) => Promise<unknown>;
  /** Lines added to the end of the transcript (see `transcript.ts`). */
  readonly adds?: readonly string[];
  /** How many lines vanish from its end first. */
  readonly cuts?: number;
  /** The queue afterwards; absent: as it was. */
  readonly queue?: readonly string[];
  /** Which versions move besides the snapshot, where the transcript and the queue do not tell. */
  readonly moves?: readonly ("history" | "retry")[];
  /** A turn starts with the last line added. */
  readonly starts?: boolean;
  /** Columns afterwards. */
  readonly row?: Partial<ChatRow>;
}

export type Scenarios = Partial<Record<TransitionName, readonly Scenario[]>>;
