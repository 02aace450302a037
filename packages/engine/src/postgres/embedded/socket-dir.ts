import { createHash } from "node:crypto";
import { chmod, lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EmbeddedUnavailable } from "./error.ts";

/** There is one server per socket folder, so the number says nothing; it only has to be the same for everyone. */
export const embeddedPort = 5432;

/** The shortest limit of the systems we run on (macOS 104, Linux 108), less the closing zero. */
const socketPathBytesMax = 103;

/**
 * The folder for the socket, with mode 0700: inside the data folder, or, where that makes the path too long for a
 * socket, in /tmp under a name made from the data folder's.
 */
export async function socketFolder(dataDir: string): Promise<string> {
  const inside = join(dataDir, "socket");
  if (socketPathBytes(inside) <= socketPathBytesMax) {
    await mkdir(inside, { recursive: true, mode: 0o700 });
    return inside;
  }
  const uid = process.getuid?.() ?? 0;
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  const outside = join("/tmp", `parley-${uid}-${name}`);
  await mkdir(outside, { recursive: true, mode: 0o700 });
  await requireOurs(outside, uid);
  return outside;
}

function socketPathBytes(folder: string): number {
  return Buffer.byteLength(join(folder, `.s.PGSQL.${embeddedPort}`));
}

/** In /tmp anyone could have made it first, and would then be the one who answers. */
async function requireOurs(folder: string, uid: number): Promise<void> {
  const info = await lstat(folder);
  const nobody = 65534;
  const ours = info.uid === uid || (uid === 0 && info.uid === nobody);
  if (!info.isDirectory() || !ours) {
    throw new EmbeddedUnavailable(
      "permission",
      `${folder}, which is needed for the database's socket, belongs to somebody else. Remove it, or choose a data ` +
        "folder with a shorter path (PARLEY_DATA_DIR).",
      { details: { folder } },
    );
  }
  await chmod(folder, 0o700);
}
