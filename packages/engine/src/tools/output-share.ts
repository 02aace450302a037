import type { Json } from "@parley/protocol";
import { cutOutput, cutText } from "./cut-output.ts";

/** Also of the last of very many calls something is left to be read. */
const callBytesMin = 256;

/**
 * What the results of one batch may have together. Each is cut when it comes, before it is known what the others will
 * say: it may take its equal share of what is left, so that short ones leave theirs to those that come later.
 */
export class OutputShare {
  #bytesLeft: number;
  #callsLeft: number;

  constructor(bytesMax: number, calls: number) {
    this.#bytesLeft = bytesMax;
    this.#callsLeft = calls;
  }

  /** The one result of a call, cut to its share and to its own limit. */
  output(output: Json, bytesMax: number): Json {
    return this.#taken(cutOutput(output, this.#allowed(bytesMax)));
  }

  text(text: string, bytesMax: number): string {
    return this.#taken(cutText(text, this.#allowed(bytesMax)));
  }

  /** A call has ended without a result of its own. */
  forgo(): void {
    this.#callsLeft -= 1;
  }

  #allowed(bytesMax: number): number {
    const share = Math.floor(this.#bytesLeft / Math.max(1, this.#callsLeft));
    return Math.min(bytesMax, Math.max(callBytesMin, share));
  }

  #taken<T extends Json>(output: T): T {
    const text = typeof output === "string" ? output : JSON.stringify(output);
    this.#callsLeft -= 1;
    this.#bytesLeft = Math.max(0, this.#bytesLeft - Buffer.byteLength(text));
    return output;
  }
}
