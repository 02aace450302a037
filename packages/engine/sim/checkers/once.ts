import type { Verdict } from "./verdict.ts";

/** A call that is made again by the same name takes effect once, and gives the same answer, on whichever replica. */
export class OnceChecker {
  readonly #verdict: Verdict;
  readonly #places = new Map<string, string>();

  constructor(verdict: Verdict) {
    this.#verdict = verdict;
  }

  repeated(clientId: string, place: string, sameBody: boolean): void {
    this.#verdict.check(
      "once",
      sameBody,
      () => `another message was taken by the name of ${clientId}`,
    );
    if (!sameBody) return;
    const before = this.#places.get(clientId) ?? place;
    this.#places.set(clientId, before);
    this.#verdict.check(
      "once",
      before === place,
      () => `${clientId} was answered ${before}, and then ${place}`,
    );
  }
}
