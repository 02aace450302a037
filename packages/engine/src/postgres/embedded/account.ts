import { execFile, type SpawnOptions } from "node:child_process";
import { chown, lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { closedAncestor } from "./binaries.ts";
import { EmbeddedUnavailable } from "./error.ts";

/** PostgreSQL refuses to run as root. This is `nobody` everywhere that matters; no entry in /etc/passwd is needed. */
const nobody = 65534;

const unshareArguments = ["-U", `--map-user=${nobody}`, `--map-group=${nobody}`];

/**
 * Under which account the programs run. "own": ours, which is not root. "namespace": root's files, but seen as
 * nobody inside a user namespace, so nothing has to change hands. "nobody": really nobody, who must own the data.
 */
export type Account = "own" | "namespace" | "nobody";

export interface Command {
  file: string;
  args: string[];
  options: Pick<SpawnOptions, "uid" | "gid">;
}

const run = promisify(execFile);

/** Data that belongs to nobody already stays his, so that one folder does not change hands back and forth. */
export async function chooseAccount(clusterDir: string): Promise<Account> {
  if (process.getuid?.() !== 0) return "own";
  const owner = await stat(clusterDir).then(
    ({ uid }) => uid,
    () => 0,
  );
  if (owner === nobody) return "nobody";
  try {
    await run("unshare", [...unshareArguments, "true"]);
    return "namespace";
  } catch {
    return "nobody"; // no unshare, an old one, or user namespaces are forbidden
  }
}

export function commandAs(account: Account, file: string, args: string[]): Command {
  switch (account) {
    case "own":
      return { file, args, options: {} };
    case "namespace":
      return { file: "unshare", args: [...unshareArguments, file, ...args], options: {} };
    case "nobody":
      return { file, args, options: { uid: nobody, gid: nobody } };
  }
}

/** Makes sure that the account can reach and own what is its to write. */
export async function handOver(account: Account, folders: string[]): Promise<void> {
  if (account !== "nobody") return;
  for (const folder of folders) {
    const closed = await closedAncestor(folder);
    if (closed !== undefined) throw closedError(closed);
    await chownTree(folder);
  }
}

async function chownTree(path: string): Promise<void> {
  const info = await lstat(path);
  if (info.isSymbolicLink()) return;
  if (info.uid !== nobody) await chown(path, nobody, nobody);
  if (!info.isDirectory()) return;
  for (const name of await readdir(path)) {
    await chownTree(join(path, name));
  }
}

function closedError(folder: string): EmbeddedUnavailable {
  return new EmbeddedUnavailable(
    "permission",
    `PostgreSQL does not run as root, and the account "nobody" may not enter ${folder}. Start Parley as a user ` +
      `other than root, or put the data folder (PARLEY_DATA_DIR) where others may enter, or "chmod o+x ${folder}".`,
    { details: { folder } },
  );
}
