/** A second Ctrl-C within this time leaves. */
const againMs = 2_000;

/** What Ctrl-C means: stop the model while it works, leave when it is idle or when it is pressed twice. */
export function interruptMeaning(
  busy: boolean,
  nowMs: number,
  lastMs: number | null,
): "stop" | "leave" {
  if (!busy) return "leave";
  return lastMs !== null && nowMs - lastMs < againMs ? "leave" : "stop";
}
