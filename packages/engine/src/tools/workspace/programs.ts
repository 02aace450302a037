import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Where a program is on a PATH, or null. */
export async function findProgram(name: string, path: string): Promise<string | null> {
  for (const folder of path.split(delimiter).filter((each) => each.startsWith("/"))) {
    const candidate = join(folder, name);
    // oxlint-disable-next-line no-await-in-loop -- the first one counts
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return candidate;
  }
  return null;
}
