import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { commandLine } from "./process-identity.ts";

/** A live server of this cluster, from what it wrote into `postmaster.pid`. */
export interface Postmaster {
  pid: number;
  port: number;
  socketDir: string;
}

/**
 * The live server of the cluster, or undefined. A file that names a live process which is not this server (pids
 * are given out again, in containers most of all) is removed: the server would refuse to start because of it.
 * Nothing is lost by that: the shared memory of a cluster, found by its folder, keeps a second server out.
 */
export async function findPostmaster(clusterDir: string): Promise<Postmaster | undefined> {
  const file = join(clusterDir, "postmaster.pid");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const [pidText, , , portText, socketDir] = text.split("\n");
  const pid = Math.abs(Number(pidText));
  if (!Number.isInteger(pid) || pid === 0) return undefined;
  const command = await commandLine(pid);
  if (command === undefined) return undefined;
  if (!command.includes(clusterDir)) {
    await rm(file, { force: true });
    return undefined;
  }
  return { pid, port: Number(portText), socketDir: socketDir?.trim() ?? "" };
}
