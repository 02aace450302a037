import type { ChatError } from "@parley/protocol";

export interface ErrorAdvice {
  readonly title: string;
  /** What happens next, or what the reader can do. */
  readonly next: string;
  readonly action: "retry" | "compact" | null;
}

/** What to tell of a failed turn. */
export function errorAdvice({ kind, retryable }: ChatError, queued: number): ErrorAdvice {
  const held =
    queued === 0 ? "" : ` ${queued} queued ${queued === 1 ? "message is" : "messages are"} held.`;
  const say = (
    title: string,
    next: string,
    action: ErrorAdvice["action"] = "retry",
  ): ErrorAdvice => ({
    title,
    next: `${next}${held}`,
    action,
  });
  switch (kind) {
    case "stopped":
      return say("Paused.", "Go on, or send a message.");
    case "context_overflow":
      return say(
        "The conversation has outgrown the model's context.",
        "Summarise what was said so far, clear the context, or choose a model with a larger one.",
        "compact",
      );
    case "auth":
      return say(
        "The provider refused the key.",
        "Ask who runs this server to check its key, or choose another model.",
      );
    case "config":
      return say("The model cannot be used here.", "Choose another model, then try again.");
    case "quota":
      return say(
        "The provider's quota is used up.",
        "Choose another model, or try again when there is quota.",
      );
    case "content_filter":
      return say("The provider refused the request.", "Edit your message and send it anew.");
    case "invalid_request":
      return say(
        "The provider did not accept the request.",
        "Edit your message, or choose another model.",
      );
    case "budget_exceeded":
      return say(
        "A budget has no room for the next call.",
        "Raise the budget, or choose a model that costs less; then try again.",
      );
    case "time_limit":
      return say("The turn reached its limit of time.", "Try again to let it go on.");
    case "step_limit":
      return say("The turn reached its limit of steps.", "Try again to let it go on.");
    case "empty_response":
      return say("The model said nothing.", "Try again, or ask in other words.");
    case "overloaded":
    case "rate_limit":
    case "timeout":
    case "stream_silence":
    case "network":
    case "server":
      return say(
        "The provider did not answer.",
        "It was tried several times. Try again in a while, or choose another model.",
      );
    case "cancelled":
    case "stalled":
    case "crashed":
    case "reconciled":
    case "internal":
      return say(
        "The turn did not end well.",
        "What was committed is kept. Try again to go on from there.",
      );
    default:
      // A newer server may know more kinds.
      return say("The turn failed.", retryable ? "Try again." : "What was committed is kept.");
  }
}
