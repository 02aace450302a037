import type { Json } from "@parley/protocol";
import { cutOutput, cutText, mediaBytesMax, sizeOf } from "./cut-output.ts";

/** Also of the last of very many calls something is left to be read. */
const callBytesMin = 256;

/** Pictures and files of all results: they are committed as one message, and read again with every model call. */
const batchMediaBytesMax = 4 * mediaBytesMax;

/**
 * What the results of one batch may have together. Each is cut when it comes, before it is known what the others will
 * say: it may take its equal share of what is left, so that short ones leave theirs to those that come later.
 */
export class OutputShare {
  #bytesLeft: number;
  #callsLeft: number;
  #mediaLeft = batchMediaBytesMax;

  constructor(bytesMax: number, calls: number) {
    this.#bytesLeft = bytesMax;
    this.#callsLeft = calls;
  }

  /** The one result of a call, cut to its share and to its own limit. Files are counted apart from what is to be read. */
  output(output: Json, bytesMax: number): Json {
    const media = Math.min(mediaBytesMax, this.#mediaLeft);
    return this.#taken(cutOutput(output, this.#allowed(bytesMax), media));
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
    const { textBytes, mediaBytes } = sizeOf(output);
    this.#callsLeft -= 1;
    this.#bytesLeft = Math.max(0, this.#bytesLeft - textBytes);
    this.#mediaLeft -= mediaBytes;
    return output;
  }
}
