import type { SimProcess } from "../process.ts";

/** How the network between two processes behaves. */
export interface NetworkWeather {
  /** One way, in milliseconds. */
  latencyMs(from: SimProcess, to: SimProcess): number;
  /** Whether anything gets from one to the other now. What does not is lost without a word. */
  passes(from: SimProcess, to: SimProcess): boolean;
  /** Whether an answer that has been given never arrives. */
  losesResponse(): boolean;
}
