import { execFile } from "node:child_process";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Random } from "../../lib/random.ts";
import { commandAs, handOver, type Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { explainFailure } from "./failure.ts";

/** The role that owns everything in the embedded server; nobody but this account can reach its socket. */
export const embeddedUser = "parley";

const draftPrefix = "postgres.init-";

/** initdb of a cold disk. */
const initWaitMs = 120_000;

const run = promisify(execFile);

/** The major version that made the cluster; undefined where there is none yet. */
export async function clusterVersion(clusterDir: string): Promise<string | undefined> {
  const text = await readFile(join(clusterDir, "PG_VERSION"), "utf8").catch(() => undefined);
  return text?.trim();
}

/**
 * Makes the cluster, in a folder of another name that becomes the real one when it is complete and on the disk: a
 * crash in the middle leaves a draft, which the next start removes. Under the folder lock.
 */
export async function createCluster(
  clusterDir: string,
  binaries: Binaries,
  account: Account,
  durable: boolean,
  random: Random,
): Promise<void> {
  const parent = dirname(clusterDir);
  await removeDrafts(parent);
  const draft = join(parent, `${draftPrefix}${random.uuid()}`);
  await mkdir(draft, { mode: 0o700 });
  await handOver(account, [draft]);
  await initdb(binaries, account, parent, [
    "--pgdata",
    draft,
    "--username",
    embeddedUser,
    "--auth=trust",
    "--no-sync",
    "--locale=C",
    "--encoding=UTF8",
    "--no-instructions",
  ]);
  if (durable) await initdb(binaries, account, parent, ["--pgdata", draft, "--sync-only"]);
  await rename(draft, clusterDir);
  if (durable) await syncFolder(parent);
}

async function removeDrafts(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(draftPrefix));
  await Promise.all(names.map((name) => rm(join(parent, name), { recursive: true, force: true })));
}

async function initdb(
  binaries: Binaries,
  account: Account,
  cwd: string,
  args: string[],
): Promise<void> {
  const { file, args: all, options } = commandAs(account, join(binaries.binDir, "initdb"), args);
  try {
    await run(file, all, { ...options, cwd, env: programEnv(binaries), timeout: initWaitMs });
  } catch (error) {
    const { stderr = "", stdout = "" } = error as { stderr?: string; stdout?: string };
    throw explainFailure("initdb", `${stdout}\n${stderr}`, error);
  }
}

/** Nothing of ours: a stray PGOPTIONS or a locale that does not exist here would change what is made. */
export function programEnv(binaries: Binaries): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC", ...binaries.env };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
