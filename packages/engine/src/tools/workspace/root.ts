import { existsSync } from "node:fs";
import {
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readlink,
  realpath,
} from "node:fs/promises";
import { join, sep } from "node:path";
import { hasCode, WorkspaceError } from "./workspace-error.ts";

const pathCharsMax = 4_096;
/** As the kernel counts, so that a circle of links ends. */
const linksMax = 40;
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A file or folder, or the place of one that is yet to be made. Good while `Root.at` runs. */
export interface Place {
  /** The folder that holds it, to be used in system calls. Empty for the root itself. */
  readonly folder: string;
  readonly name: string;
  /** For system calls. None may follow a link at its end. */
  readonly path: string;
  /** As people call it: relative to the root. */
  readonly shown: string;
  readonly exists: boolean;
}

interface Step {
  readonly handle: FileHandle;
  readonly base: string;
  readonly name: string;
}

/**
 * A folder that nothing leads out of: no `..`, no absolute path, no link, whoever made it and whenever.
 *
 * Each folder on the way is opened relative to the one before, without following a link, and held open: what is swapped
 * behind our back is either not seen or refused. Linux gives a path to an open folder (`/proc/self/fd`); elsewhere the
 * real path is compared after each step, which leaves a moment in which a folder could be swapped.
 */
export class Root {
  /** The real path. */
  readonly path: string;
  readonly #given: string;
  readonly #handle: FileHandle;
  readonly #isPinned: boolean;

  private constructor(given: string, path: string, handle: FileHandle, isPinned: boolean) {
    this.#given = given;
    this.path = path;
    this.#handle = handle;
    this.#isPinned = isPinned;
  }

  /** @param options.pinned false: as on systems without `/proc`. */
  static async open(folder: string, options: { pinned?: boolean } = {}): Promise<Root> {
    const path = await realpath(folder);
    const handle = await open(path, folderFlags);
    const isPinned = options.pinned ?? existsSync(`/proc/self/fd/${handle.fd}`);
    return new Root(folder, path, handle, isPinned);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /**
   * Runs `fn` with the place that a path names: relative to the root, or absolute and inside of it. Links are followed
   * as long as they stay inside.
   *
   * @param options.makeFolders folders on the way that are missing are made.
   */
  async at<T>(
    path: string,
    fn: (place: Place) => Promise<T>,
    options: { makeFolders?: boolean } = {},
  ): Promise<T> {
    const walk = new Walk(this.#first(), this.path, path, {
      isPinned: this.#isPinned,
      makeFolders: options.makeFolders ?? false,
    });
    try {
      return await fn(await walk.to(this.#components(path)));
    } finally {
      await walk.close();
    }
  }

  /** As `at`, with the folder itself held open: `base` is a path to what was opened, whatever its name means by now. */
  async folder<T>(path: string, fn: (base: string, shown: string) => Promise<T>): Promise<T> {
    return await this.at(path, async (place) => {
      if (!place.exists) throw missing(place.shown);
      let handle: FileHandle;
      try {
        handle = await open(
          place.path,
          place.folder === "" ? folderFlags & ~constants.O_NOFOLLOW : folderFlags,
        );
      } catch (error) {
        if (hasCode(error, "ENOTDIR", "ELOOP")) {
          throw new WorkspaceError("wrong_kind", `${place.shown} is no folder.`, error);
        }
        throw error;
      }
      try {
        return await fn(this.#isPinned ? fdPath(handle) : place.path, place.shown);
      } finally {
        await handle.close();
      }
    });
  }

  #first(): Step {
    const base = this.#isPinned ? fdPath(this.#handle) : this.path;
    return { handle: this.#handle, base, name: "" };
  }

  #components(path: string): string[] {
    if (path.length > pathCharsMax || path.includes("\0")) {
      throw new WorkspaceError("outside_workspace", "This is no path.");
    }
    return split(this.#inside(path) ?? refuse(path));
  }

  /** What is left of an absolute path within the root; null outside. */
  #inside(path: string): string | null {
    if (!path.startsWith("/")) return path;
    return insideOf(this.path, path) ?? insideOf(this.#given, path);
  }
}

class Walk {
  readonly #root: string;
  readonly #asked: string;
  readonly #isPinned: boolean;
  readonly #makeFolders: boolean;
  /** The folders from the root to here; all but the first are ours to close. */
  readonly #steps: Step[];
  #links = 0;

  constructor(
    first: Step,
    root: string,
    asked: string,
    options: { isPinned: boolean; makeFolders: boolean },
  ) {
    this.#steps = [first];
    this.#root = root;
    this.#asked = asked;
    this.#isPinned = options.isPinned;
    this.#makeFolders = options.makeFolders;
  }

  async close(): Promise<void> {
    for (const step of this.#steps.splice(1)) await step.handle.close();
  }

  /* oxlint-disable no-await-in-loop -- each step depends on the one before */
  async to(components: readonly string[]): Promise<Place> {
    const todo = [...components];
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      if (name === "..") {
        if (this.#steps.length === 1) return refuse(this.#asked);
        await this.#steps.pop()?.handle.close();
        continue;
      }
      const path = join(this.#here.base, name);
      const stat = await lstat(path).catch((error: unknown) => {
        if (hasCode(error, "ENOENT")) return null;
        throw error;
      });
      if (stat?.isSymbolicLink() === true) {
        this.#links += 1;
        if (this.#links > linksMax) return refuse(this.#asked);
        todo.unshift(...(await this.#target(path)));
        continue;
      }
      const isLast = todo.length === 0;
      if (isLast) return this.#place(name, stat !== null);
      if (stat === null && !this.#makeFolders) throw missing(this.#shown(name));
      if (stat === null) await mkdir(path);
      else if (!stat.isDirectory()) {
        throw new WorkspaceError("wrong_kind", `${this.#shown(name)} is no folder.`);
      }
      await this.#enter(name);
    }
    // The root, or a folder that `..` led back to: the folder itself is what is meant.
    const last = this.#steps.length > 1 ? this.#steps.pop() : undefined;
    if (last === undefined) {
      const { base } = this.#here;
      return { folder: "", name: ".", path: base, shown: ".", exists: true };
    }
    await last.handle.close();
    return this.#place(last.name, true);
  }
  /* oxlint-enable no-await-in-loop */

  get #here(): Step {
    return this.#steps.at(-1) as Step;
  }

  #shown(name: string): string {
    return [...this.#steps.slice(1).map((step) => step.name), name].join("/");
  }

  #place(name: string, exists: boolean): Place {
    const { base } = this.#here;
    return { folder: base, name, path: join(base, name), shown: this.#shown(name), exists };
  }

  async #enter(name: string): Promise<void> {
    const path = join(this.#here.base, name);
    let handle: FileHandle;
    try {
      handle = await open(path, folderFlags);
    } catch (error) {
      // It was a folder a moment ago.
      if (hasCode(error, "ELOOP", "ENOTDIR", "ENOENT")) throw swapped(this.#shown(name), error);
      throw error;
    }
    this.#steps.push({ handle, base: this.#isPinned ? fdPath(handle) : path, name });
    if (!this.#isPinned && (await realpath(path)) !== path) throw swapped(this.#shown(""));
  }

  /** A link's target, as components from here; from the root where it is absolute. */
  async #target(path: string): Promise<string[]> {
    const target = await readlink(path);
    if (!target.startsWith("/")) return split(target);
    const inside = insideOf(this.#root, target) ?? refuse(this.#asked);
    await this.close();
    return split(inside);
  }
}

function fdPath(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

function split(path: string): string[] {
  const unified = sep === "/" ? path : path.replaceAll(sep, "/");
  return unified.split("/").filter((name) => name !== "" && name !== ".");
}

function insideOf(root: string, path: string): string | null {
  const prefix = root.endsWith("/") ? root : `${root}/`;
  if (path === root || path === prefix) return "";
  return path.startsWith(prefix) ? path.slice(prefix.length) : null;
}

function refuse(path: string): never {
  throw new WorkspaceError("outside_workspace", `${path} leads out of the workspace.`);
}

export function missing(shown: string): WorkspaceError {
  return new WorkspaceError("not_found", `There is no ${shown}.`);
}

export function swapped(shown: string, cause?: unknown): WorkspaceError {
  return new WorkspaceError(
    "changed_meanwhile",
    `${shown} was changed while it was being opened. Look at it again.`,
    cause,
  );
}
