import type { ErrorKind } from "@parley/protocol";
import { isRetryableKind } from "./retry-policy.ts";

/**
 * What says that a provider is down for everybody, and not that something is wrong with this request. An account that is
 * used up is the deployment's: nothing that a user could do would bring that model back.
 */
function isDown(kind: ErrorKind): boolean {
  return kind === "quota" || (isRetryableKind(kind) && kind !== "empty_response");
}

/** What a model that only stands in may fail with and be passed over: it never was what was asked for. */
const passedOver: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  "auth",
  "config",
  "context_overflow",
  "invalid_request",
  "quota",
]);

/**
 * Between a failure and the call of another model. There is nothing to wait for but those who watch: what is replaced at
 * once is never seen by clients of other servers, which read the row a moment later.
 */
export const switchMs = 250;

export interface FailedCall {
  /** The model that failed. */
  readonly model: string;
  readonly kind: ErrorKind;
  /** Tries at it in a row, the failed one included. */
  readonly tries: number;
}

export interface NextModel {
  readonly model: string;
  /** It has not been tried since the last wait, so there is nothing to wait for. */
  readonly atOnce: boolean;
}

/**
 * Which model is tried after a failure, where that is another one; null: the same again, or none. `chain` is what was
 * asked for, then those that stand in. After the last of them the first is tried again: it may be back by now.
 */
export function modelAfter(
  { model, kind, tries }: FailedCall,
  chain: readonly string[],
  attemptsMax: number,
): NextModel | null {
  const at = chain.indexOf(model);
  if (chain.length < 2 || at === -1) return null;
  const stoodIn = at > 0;
  const isOver =
    kind === "quota" || (isDown(kind) && tries >= attemptsMax) || (stoodIn && passedOver.has(kind));
  if (!isOver) return null;
  const next = (at + 1) % chain.length;
  return { model: chain[next] ?? model, atOnce: next > 0 };
}
