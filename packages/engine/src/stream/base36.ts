const digits = "0123456789abcdefghijklmnopqrstuvwxyz";
const base = 36;
const square = base * base;

/** All numbers below 36², without leading zeros and with. */
const short = Array.from({ length: square }, (_, n) => n.toString(base));
const padded = Array.from(
  { length: square },
  (_, n) => `${digits[Math.floor(n / base)]}${digits[n % base]}`,
);

/** `n.toString(36)` of a whole number from 0 on, which leaves compiled code only to divide floating-point numbers. */
export function base36(n: number): string {
  let rest = n;
  let text = "";
  while (rest >= square) {
    const quotient = Math.floor(rest / square);
    text = (padded[rest - quotient * square] as string) + text;
    rest = quotient;
  }
  return (short[rest] as string) + text;
}
