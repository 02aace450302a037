import { createHash } from "node:crypto";

/** What every provider takes. */
const nameCharsMax = 64;
const hashChars = 8;
const separator = "__";

/**
 * `server__tool`, made of what providers take. A name that had to be changed ends with a hash of the original one, so that
 * two tools never share a name, and a tool has the same one on every replica.
 */
export function toolName(server: string, tool: string): string {
  const plain = `${server}${separator}${tool}`;
  const clean = plain.replace(/[^a-zA-Z0-9_-]/g, "_");
  if (clean === plain && plain.length <= nameCharsMax && tool !== "") return plain;
  const hash = createHash("sha256").update(tool).digest("hex").slice(0, hashChars);
  return `${clean.slice(0, nameCharsMax - hashChars - 1)}_${hash}`;
}

/** The server that a name belongs to. Servers' names hold no separator and do not end in `_`, so the first one counts. */
export function serverOf(name: string): string | null {
  const at = name.indexOf(separator);
  return at > 0 ? name.slice(0, at) : null;
}
