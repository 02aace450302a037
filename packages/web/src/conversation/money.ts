/** Millionths of a US dollar as people read it: `$0.0042`, `$1.20`. */
export function moneyText(micros: number): string {
  const usd = micros / 1_000_000;
  if (usd === 0) return "$0";
  return `$${usd < 0.1 ? usd.toPrecision(2) : usd.toFixed(2)}`;
}

/** Tokens in a few characters: `840`, `12.3 k`, `1.2 M`. */
export function tokensText(tokens: number): string {
  if (tokens < 1_000) return String(tokens);
  if (tokens < 1_000_000) return `${(tokens / 1_000).toFixed(tokens < 10_000 ? 1 : 0)} k`;
  return `${(tokens / 1_000_000).toFixed(1)} M`;
}
