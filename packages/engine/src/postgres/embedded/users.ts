import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { livenessOf, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

/**
 * Who uses the server: one file per user, named after nothing but itself. Read and written under the folder lock
 * only. A user whose process has ended, or is of another boot or container (which cannot share our server), is
 * dropped when next looked at.
 */
export async function addUser(folder: string, id: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, id), JSON.stringify(await ownIdentity()));
}

export async function removeUser(folder: string, id: string): Promise<void> {
  await rm(join(folder, id), { force: true });
}

/** How many users are alive; the others are removed. */
export async function countUsers(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const alive = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      if (await isAlive(file)) return true;
      await rm(file, { force: true });
      return false;
    }),
  );
  return alive.filter(Boolean).length;
}

async function isAlive(file: string): Promise<boolean> {
  try {
    const identity = JSON.parse(await readFile(file, "utf8")) as ProcessIdentity;
    return (await livenessOf(identity)) === "alive";
  } catch {
    return false; // cut off by a crash while it was written
  }
}
