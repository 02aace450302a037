import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

/** The thread that searches where there is no ripgrep. It heeds no `.gitignore`; what is never meant is left out. */
export interface WalkOrder {
  /** The folder to begin in, or the file. */
  readonly base: string;
  readonly isFile?: boolean;
  readonly glob: string | null;
  /** Null: the names are what is asked for. */
  readonly pattern: string | null;
  readonly ignoreCase: boolean;
  readonly contextLines: number;
  readonly linesMax: number;
}

export type WalkAnswer =
  | { readonly lines: string[]; readonly cut: boolean }
  | { readonly problem: string };

const filesMax = 100_000;
const depthMax = 64;
const fileBytesMax = 4 * 1024 * 1024;
const lineCharsMax = 400;
const sniffBytes = 8 * 1024;
const notMeant = new Set([".git", "node_modules"]);
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

class Done extends Error {}

class SearchWalk {
  readonly #order: WalkOrder;
  readonly #expression: RegExp | null;
  readonly #lines: string[] = [];
  #files = 0;

  constructor(order: WalkOrder) {
    this.#order = order;
    const { pattern, ignoreCase } = order;
    this.#expression = pattern === null ? null : new RegExp(pattern, ignoreCase ? "iu" : "u");
  }

  run(): WalkAnswer {
    const { base, isFile = false } = this.#order;
    try {
      if (isFile) this.#file(base, "", constants.O_RDONLY);
      else this.#folder(base, "", 0, folderFlags & ~constants.O_NOFOLLOW);
      return { lines: this.#lines, cut: false };
    } catch (error) {
      if (error instanceof Done) return { lines: this.#lines, cut: true };
      throw error;
    }
  }

  #folder(path: string, shown: string, depth: number, flags: number): void {
    withOpen(path, flags, (fd) => {
      // Through the descriptor: the name may lead elsewhere by now.
      const base = path.startsWith("/proc/") ? `/proc/self/fd/${fd}` : path;
      const entries = readdirSync(base, { withFileTypes: true });
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const name = shown === "" ? entry.name : `${shown}/${entry.name}`;
        const inner = join(base, entry.name);
        if (entry.isDirectory() && depth < depthMax && !notMeant.has(entry.name)) {
          this.#folder(inner, name, depth + 1, folderFlags);
        } else if (entry.isFile() && this.#fits(name, entry.name)) {
          this.#files += 1;
          if (this.#files > filesMax) throw new Done();
          if (this.#expression === null) this.#say(name);
          else this.#file(inner, name, fileFlags);
        }
      }
    });
  }

  /** As ripgrep has it: a glob without a slash is about the name, wherever the file is. */
  #fits(shown: string, name: string): boolean {
    const { glob } = this.#order;
    if (glob === null) return true;
    return matchesGlob(glob.includes("/") ? shown : name, glob.replace(/^\//, ""));
  }

  #file(path: string, shown: string, flags: number): void {
    withOpen(path, flags, (fd) => {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > fileBytesMax) return;
      const bytes = readFileSync(fd);
      if (bytes.subarray(0, sniffBytes).includes(0)) return;
      this.#matches(bytes.toString("utf8").split("\n"), shown);
    });
  }

  #matches(lines: readonly string[], shown: string): void {
    const around = this.#order.contextLines;
    let saidTo = 0;
    for (const [at, line] of lines.entries()) {
      if (this.#expression?.test(line) !== true) continue;
      const from = Math.max(saidTo, at - around);
      if (saidTo > 0 && from > saidTo) this.#say("--");
      const to = Math.min(lines.length, at + around + 1);
      for (let n = from; n < to; n++) {
        const mark = n === at || this.#expression.test(lines[n] ?? "") ? ":" : "-";
        const place = shown === "" ? "" : `${shown}${mark}`;
        this.#say(`${place}${n + 1}${mark}${(lines[n] ?? "").slice(0, lineCharsMax)}`);
      }
      saidTo = Math.max(saidTo, to);
    }
  }

  #say(line: string): void {
    if (this.#lines.length >= this.#order.linesMax) throw new Done();
    this.#lines.push(line);
  }
}

/** What cannot be opened (any more, or by us) is passed over. */
function withOpen(path: string, flags: number, fn: (fd: number) => void): void {
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch {
    return;
  }
  try {
    fn(fd);
  } finally {
    closeSync(fd);
  }
}

function answer(order: WalkOrder): WalkAnswer {
  try {
    return new SearchWalk(order).run();
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: error.message };
    throw error;
  }
}

parentPort?.postMessage(answer(workerData as WalkOrder));
