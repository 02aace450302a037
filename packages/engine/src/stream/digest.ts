/** FNV-1a, 32 bits, to be continued: `fnv1a(b, fnv1a(a))` is the hash of `a + b`. */
export function fnv1a(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Of null, which most errors and pending actions are: short, since every cursor has two of them. */
const nothing = "1";

/** About 64 bits in base 36: enough that two values of one chat's status never look the same. */
export function digestOf(value: unknown): string {
  if (value === null) return nothing;
  const text = JSON.stringify(value);
  return fnv1a(text).toString(36) + fnv1a(text, 0x9e3779b9).toString(36);
}
