/** Shown to users and stored with the chat. */
const messageCharsMax = 500;

/** Shorter "secrets" would blank out ordinary words. */
const secretCharsMin = 6;

const keyShapes = [
  /\b(sk|pk|rk|gsk|xai|hf|r8|csk|pplx|nvapi|key)[-_][A-Za-z0-9_*.-]{6,}/g,
  /\bAIza[A-Za-z0-9_*-]{10,}/g,
  /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=*-]{6,}/gi,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?/g,
  /([?&](api[-_]?key|key|token|access_token)=)[^&\s"']+/gi,
] as const;

/** A provider's words as a user may see them: no key of ours, nothing that looks like one, one line, bounded. */
export function redact(text: string, secrets: readonly string[]): string {
  let out = text;
  for (const secret of secrets) {
    if (secret.length >= secretCharsMin) out = out.replaceAll(secret, "[key]");
  }
  for (const shape of keyShapes) out = out.replace(shape, "[key]");
  // oxlint-disable-next-line no-control-regex
  out = out
    .replace(/[\s\u0000-\u001f]+/g, " ")
    .trim()
    .toWellFormed();
  if (out.length <= messageCharsMax) return out;
  return `${out.slice(0, messageCharsMax - 1).toWellFormed()}…`;
}
