import { ParleyApiError, ParleyNetworkError } from "@parley/client";

/** What went wrong, for a person. `what` is what was asked for. */
export function failureText(error: unknown, what: string): string {
  if (error instanceof ParleyApiError) {
    if (error.status === 401) return "the token is missing or not accepted";
    if (error.status === 404) return `there is no such thing here: ${error.detail}`;
    const request = error.requestId === undefined ? "" : ` (request ${error.requestId})`;
    return `${error.detail}${request}`;
  }
  if (error instanceof ParleyNetworkError) {
    const cause = causeOf(error);
    return `${error.message}${cause === null ? "" : ` (${cause})`}: is it running?`;
  }
  return `${what}: ${error instanceof Error ? error.message : String(error)}`;
}

/** `fetch` hides the reason two causes down. */
function causeOf(error: Error): string | null {
  let text: string | null = null;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    text = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  }
  return text;
}
