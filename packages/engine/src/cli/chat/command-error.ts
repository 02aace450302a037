/** A command that cannot be done, and why. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
