import type { Stats } from "node:fs";
import { constants, type FileHandle, lstat, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "@parley/protocol";
import type { Random } from "../../lib/random.ts";
import { missing, type Place, type Root, swapped } from "./root.ts";
import { pageOf, replaceText } from "./text.ts";
import { hasCode, WorkspaceError } from "./workspace-error.ts";

/** Larger files are for commands. */
const textBytesMax = 16 * 1024 * 1024;
const pictureBytesMax = 1024 * 1024;
const entriesMax = 1_000;

/** Where a NUL shows that a file is no text. */
const sniffBytes = 8 * 1024;

const pictures: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

/** Not blocked by a FIFO, not led astray by a link. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const createFlags =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Reading and changing the files of a workspace. Changes happen one after the other, each whole or not at all. */
export class Files {
  readonly #root: Root;
  readonly #random: Pick<Random, "uuid">;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(root: Root, random: Pick<Random, "uuid">) {
    this.#root = root;
    this.#random = random;
  }

  /** Lines `offset` to `offset + limit - 1` with their numbers, or a picture. */
  async read(path: string, offset: number, limit: number): Promise<Json> {
    return await this.#root.at(path, async (place) => {
      const { bytes } = await readWhole(place);
      const pictureType = pictures[place.name.split(".").at(-1)?.toLowerCase() ?? ""];
      if (pictureType !== undefined && isBinary(bytes)) return picture(place, bytes, pictureType);
      if (isBinary(bytes)) {
        throw new WorkspaceError("not_text", `${place.shown} is no text: ${bytes.length} bytes.`);
      }
      return pageOf(bytes.toString("utf8"), offset, limit);
    });
  }

  async write(path: string, content: string): Promise<string> {
    return await this.#change(path, { makeFolders: true }, async (place) => {
      const before = await statOf(place);
      await this.#replace(place, Buffer.from(content), before);
      const lines = content === "" ? 0 : content.replace(/\n$/, "").split("\n").length;
      const done = before === null ? "Made" : "Replaced";
      return `${done} ${place.shown}: ${lines} lines, ${Buffer.byteLength(content)} bytes.`;
    });
  }

  /** Replaces text that occurs once, or everywhere with `all`. */
  async edit(path: string, oldText: string, newText: string, all: boolean): Promise<string> {
    return await this.#change(path, {}, async (place) => {
      const { bytes, stat } = await readWhole(place);
      const { text, count, lines } = replaceText(decode(bytes, place.shown), oldText, newText, all);
      await this.#replace(place, Buffer.from(text), stat);
      const where = `at line ${lines.slice(0, linesShownMax).join(", ")}`;
      return `Changed ${place.shown} ${count === 1 ? where : `in ${count} places, ${where}`}.`;
    });
  }

  /** The names in a folder: folders end in `/`, links in `@`, files have their size. */
  async list(path: string): Promise<string> {
    return await this.#root.folder(path, async (base, shown) => {
      const entries = await readdir(base, { withFileTypes: true });
      const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const lines = await Promise.all(
        sorted.slice(0, entriesMax).map(async (entry) => {
          if (entry.isDirectory()) return `${entry.name}/`;
          if (entry.isSymbolicLink()) return `${entry.name}@`;
          const stat = await lstat(join(base, entry.name)).catch(() => null);
          return `${entry.name}  ${stat?.size ?? "?"}`;
        }),
      );
      if (sorted.length > entriesMax) lines.push(`[… ${sorted.length - entriesMax} more …]`);
      return lines.length === 0 ? `${shown} is empty.` : lines.join("\n");
    });
  }

  async #change<T>(
    path: string,
    options: { makeFolders?: boolean },
    fn: (place: Place) => Promise<T>,
  ): Promise<T> {
    const before = this.#changing;
    const change = (async () => {
      await before;
      return await this.#root.at(path, fn, options);
    })();
    this.#changing = change.catch(() => {});
    return await change;
  }

  /** Writes beside it and renames: nobody sees half a file, and a link that was put there is replaced, not followed. */
  async #replace(place: Place, content: Buffer, before: Stats | null): Promise<void> {
    if (content.length > textBytesMax) throw tooLarge(place, content.length);
    if (place.folder === "")
      throw new WorkspaceError("wrong_kind", "That is the workspace itself.");
    if (before?.isDirectory() === true) {
      throw new WorkspaceError("wrong_kind", `${place.shown} is a folder.`);
    }
    const temporary = join(place.folder, `.${this.#random.uuid()}.tmp`);
    const handle = await open(
      temporary,
      createFlags,
      before === null ? 0o666 : before.mode & 0o777,
    );
    try {
      await handle.writeFile(content);
      // The mode given to open loses what the process masks.
      if (before !== null) await handle.chmod(before.mode & 0o777);
      await handle.close();
      const now = await statOf(place);
      if (!isSame(before, now)) throw swapped(place.shown);
      await rename(temporary, place.path);
    } catch (error) {
      await handle.close().catch(() => {});
      await unlink(temporary).catch(() => {});
      throw error;
    }
  }
}

const linesShownMax = 10;

async function statOf(place: Place): Promise<Stats | null> {
  try {
    return await lstat(place.path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

function isSame(a: Stats | null, b: Stats | null): boolean {
  if (a === null || b === null) return a === b;
  return a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;
}

async function readWhole(place: Place): Promise<{ bytes: Buffer; stat: Stats }> {
  const handle = await openFile(place);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new WorkspaceError("wrong_kind", `${place.shown} is no file.`);
    if (stat.size > textBytesMax) throw tooLarge(place, stat.size);
    return { bytes: await handle.readFile(), stat };
  } finally {
    await handle.close();
  }
}

/** Opens a file for reading, and never what a link leads to. */
export async function openFile(place: Place): Promise<FileHandle> {
  if (!place.exists) throw missing(place.shown);
  try {
    return await open(place.path, place.folder === "" ? constants.O_RDONLY : readFlags);
  } catch (error) {
    if (hasCode(error, "ELOOP", "ENOENT")) throw swapped(place.shown, error);
    // A socket, or a FIFO without a reader.
    if (hasCode(error, "ENXIO")) {
      throw new WorkspaceError("wrong_kind", `${place.shown} is no file.`, error);
    }
    throw error;
  }
}

function tooLarge({ shown }: Place, bytes: number): WorkspaceError {
  const text = `${shown} is too large for this: ${bytes} bytes, of ${textBytesMax}. Use a command.`;
  return new WorkspaceError("too_large", text);
}

function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, sniffBytes).includes(0);
}

function picture({ shown }: Place, bytes: Buffer, type: string): Json {
  if (bytes.length > pictureBytesMax) {
    const text = `${shown} is a picture of ${bytes.length} bytes; up to ${pictureBytesMax} can be shown.`;
    throw new WorkspaceError("too_large", text);
  }
  return {
    content: [
      { type: "text", text: shown },
      { type: "file", media_type: type, data: bytes.toString("base64") },
    ],
  };
}

/** Text that can be written back as it was. */
function decode(bytes: Buffer, shown: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new WorkspaceError("not_text", `${shown} is no UTF-8 text.`, error);
  }
}
