import { ParleyError } from "../../lib/errors.ts";

/** Why a dial failed or a link ended. Stable: logs, metrics and tests go by it. */
export type RelayErrorCode =
  /** The peer is not registered any more, or takes no links. */
  | "relay_no_address"
  /** Its address is none that this replica may dial: no URL, or without the TLS that is asked for. */
  | "relay_bad_address"
  /** Nothing answers, or the connection broke. Certificates that do not match count here too. */
  | "relay_unreachable"
  /** Something answers, but not with a link: another secret, or no relay at all. */
  | "relay_refused"
  /** Another worker lives at this address now. */
  | "relay_wrong_worker"
  /** The peer did not prove that it knows the secret. */
  | "relay_unproved"
  /** Its protocol is neither ours nor the one before or after. */
  | "relay_version"
  /** It said something that makes no sense. */
  | "relay_protocol"
  /** No link came about in time. */
  | "relay_timeout"
  /** Nothing was heard for too long. */
  | "relay_silent"
  /** It takes no more links, or no more follows on this one. */
  | "relay_full"
  /** One side has no more use for the link. */
  | "relay_unused"
  /** One side is being stopped. */
  | "relay_stopped";

export class RelayError extends ParleyError {
  declare readonly code: RelayErrorCode;

  constructor(code: RelayErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}

/** What a failure of unknown making counts as. */
export function relayErrorOf(cause: unknown, code: RelayErrorCode): RelayError {
  if (cause instanceof RelayError) return cause;
  return new RelayError(code, cause instanceof Error ? cause.message : "It failed.", cause);
}
