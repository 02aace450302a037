/** A bug of ours, never the world's: those are `ParleyError`s. */
export class AssertionFailed extends Error {
  override readonly name = "AssertionFailed";
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** Closes a switch: does not compile while a case is missing. */
export function assertNever(value: never, what = "value"): never {
  throw new AssertionFailed(`unexpected ${what}: ${String(value)}`);
}

/** The value, which must be there. */
export function defined<T>(value: T | null | undefined, what: string): T {
  if (value === undefined || value === null) throw new AssertionFailed(`${what} is missing`);
  return value;
}
