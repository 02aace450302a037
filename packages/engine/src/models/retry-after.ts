/** A wish for more than a day is a mistake of the clock or the provider. */
const retryAfterMsMax = 24 * 3_600_000;

/**
 * How long the provider asks to wait, in ms: `retry-after-ms`, `Retry-After` (seconds or a date), or what the error's
 * text says. Null where it does not say.
 */
export function retryAfterMs(
  headers: Readonly<Record<string, string>>,
  text: string,
  now: number,
): number | null {
  const ms = fromHeaders(headers, now) ?? fromText(text);
  return ms === null ? null : Math.min(Math.max(0, Math.ceil(ms)), retryAfterMsMax);
}

function fromHeaders(headers: Readonly<Record<string, string>>, now: number): number | null {
  const inMs = number(headers["retry-after-ms"]);
  if (inMs !== null) return inMs;
  const after = headers["retry-after"];
  const seconds = number(after);
  if (seconds !== null) return seconds * 1_000;
  const at = after === undefined ? Number.NaN : Date.parse(after);
  return Number.isNaN(at) ? null : at - now;
}

function number(text: string | undefined): number | null {
  if (text === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return null;
  return Number(text);
}

/** Google: `"retryDelay": "34.07s"`; OpenAI: "Please try again in 6m0s", "… in 498ms". */
function fromText(text: string): number | null {
  const said =
    /"retryDelay"\s*:\s*"([\d.]+)s"/.exec(text) ??
    /try again in (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?/i.exec(text);
  if (said === null) return null;
  if (said.length === 2) return Number(said[1]) * 1_000;
  const [, hours, minutes, seconds, ms] = said.map((part) => Number(part ?? 0));
  const total = ((hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1_000 + (ms ?? 0);
  return total > 0 ? total : null;
}
