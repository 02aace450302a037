import { execFile } from "node:child_process";
import { chmod, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "./server-process.ts";

const run = promisify(execFile);

/** A disk of its own that can be filled up. */
export interface SmallDisk {
  readonly path: string;
  /** Until not a byte is left. */
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** Null where this account may not mount one. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | null> {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755); // as root without user namespaces the database runs as nobody
  const path = join(folder.path, "disk");
  await mkdir(path);
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0755`, "tmpfs", path]);
  } catch {
    await folder.remove();
    return null;
  }
  const filler = join(path, "filler");
  return {
    path,
    async fill() {
      const file = await open(filler, "a");
      try {
        // Large blocks first; what is left is less than one of the next size.
        for (const bytes of [1024 * 1024, 4096, 1]) {
          // oxlint-disable-next-line no-await-in-loop
          while (await appended(file, bytes));
        }
      } finally {
        await file.close();
      }
    },
    free: async () => await rm(filler, { force: true }),
    async remove() {
      await run("umount", ["--lazy", path]);
      await folder.remove();
    },
  };
}

async function appended(file: Awaited<ReturnType<typeof open>>, bytes: number): Promise<boolean> {
  try {
    const { bytesWritten } = await file.write(Buffer.alloc(bytes, 1));
    return bytesWritten === bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}
