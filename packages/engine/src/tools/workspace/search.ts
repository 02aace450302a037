import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { onAbort } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import { openFile } from "./files.ts";
import type { Root } from "./root.ts";
import type { WalkAnswer, WalkOrder } from "./search-walk.ts";
import { WorkspaceError } from "./workspace-error.ts";

/** What is longer than this is not read by a model but searched more closely. */
const answerBytesMax = 32 * 1024;
const lineCharsMax = 400;
const searchMs = 30_000;

export interface TextQuery {
  readonly pattern: string;
  readonly path: string;
  readonly glob: string | null;
  readonly ignoreCase: boolean;
  readonly contextLines: number;
}

export interface SearchOptions {
  readonly root: Root;
  /** Where ripgrep is; null: we walk ourselves. */
  readonly ripgrep: string | null;
  readonly clock: Clock;
}

/** What has been found, line by line, and whether there was more. */
interface Found {
  readonly lines: string[];
  readonly cut: boolean;
}

/** Finds files by name and by what is in them: with ripgrep where there is one, which is faster and heeds `.gitignore`. */
export class Search {
  readonly #options: SearchOptions;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  async files(path: string, glob: string, signal: AbortSignal): Promise<string> {
    const found = await this.#options.root.folder(path, async (base) => {
      const order: WalkOrder = {
        base,
        glob,
        pattern: null,
        ignoreCase: false,
        contextLines: 0,
        linesMax,
      };
      if (this.#options.ripgrep === null) return await this.#walk(order, signal);
      const args = ["--files", "--sort", "path", ...common, "--glob", glob, "."];
      return await this.#ripgrep(args, { cwd: base, signal });
    });
    return answer(found, "No file fits.");
  }

  async text(query: TextQuery, signal: AbortSignal): Promise<string> {
    const { root, ripgrep } = this.#options;
    const nothing = "Nothing matches.";
    const isFile = await root.at(query.path, async (place) => {
      if (!place.exists || place.folder === "") return null;
      const handle = await openFile(place);
      try {
        if (!(await handle.stat()).isFile()) return null;
        if (ripgrep === null) {
          // By its descriptor: the name may mean something else by now.
          const base = `/proc/self/fd/${handle.fd}`;
          return await this.#walk({ ...walkOrder(query), base, glob: null, isFile: true }, signal);
        }
        const args = [...textArgs(query), "--no-filename", "-"];
        return await this.#ripgrep(args, {
          stdin: handle.createReadStream({ autoClose: false }),
          signal,
        });
      } finally {
        await handle.close();
      }
    });
    if (isFile !== null) return answer(isFile, nothing);
    const found = await root.folder(query.path, async (base) => {
      if (ripgrep === null) return await this.#walk({ ...walkOrder(query), base }, signal);
      const glob = query.glob === null ? [] : ["--glob", query.glob];
      const args = [...textArgs(query), ...common, ...glob, "--sort", "path", "."];
      return await this.#ripgrep(args, { cwd: base, signal });
    });
    return answer(found, nothing);
  }

  async #ripgrep(
    args: readonly string[],
    { cwd, stdin, signal }: { cwd?: string; stdin?: Readable; signal: AbortSignal },
  ): Promise<Found> {
    const { ripgrep, clock } = this.#options;
    // Its own "self" would be another process's.
    const folder = cwd?.replace("/proc/self/", `/proc/${process.pid}/`);
    const child = spawn(ripgrep as string, ["--no-config", "--color", "never", ...args], {
      ...(folder !== undefined && { cwd: folder }),
      env: {},
      stdio: ["pipe", "pipe", "pipe"],
    });
    const kill = (): void => void child.kill("SIGKILL");
    const timer = clock.timer(searchMs, "workspace.search", kill);
    const off = onAbort(signal, kill);
    child.stdin.on("error", () => {});
    if (stdin === undefined) child.stdin.end();
    else stdin.on("error", kill).pipe(child.stdin);
    let output = "";
    let problem = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > answerBytesMax) kill();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      problem = (problem + text).slice(0, problemCharsMax);
    });
    try {
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once("error", reject).once("close", resolve);
      });
      signal.throwIfAborted();
      if (code === 2 && output === "") {
        throw new WorkspaceError("invalid_pattern", problem.trim() || "The search failed.");
      }
      const lines = output
        .split("\n")
        .filter((line, at, all) => line !== "" || at < all.length - 1);
      return { lines: lines.map((line) => line.replace(/^\.\//, "")), cut: code === null };
    } finally {
      timer.cancel();
      off();
    }
  }

  /** In a thread of its own: a regular expression can take forever, and only a thread can be ended then. */
  async #walk(order: WalkOrder, signal: AbortSignal): Promise<Found> {
    const worker = new Worker(new URL("./search-walk.ts", import.meta.url), { workerData: order });
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const timer = this.#options.clock.timer(searchMs, "workspace.search", () => {
      reject(new WorkspaceError("invalid_pattern", "The search took too long. Narrow it down."));
    });
    const off = onAbort(signal, reject);
    worker.once("message", (found: WalkAnswer) => {
      if ("problem" in found) reject(new WorkspaceError("invalid_pattern", found.problem));
      else resolve(found);
    });
    worker.once("error", reject);
    try {
      return await promise;
    } finally {
      timer.cancel();
      off();
      await worker.terminate();
    }
  }
}

const linesMax = 1_000;
const problemCharsMax = 1_000;

/** Hidden files are as good as others, git's own are not. */
const common = ["--hidden", "--glob", "!.git"];

function textArgs({ pattern, ignoreCase, contextLines }: TextQuery): string[] {
  return [
    "--no-heading",
    "--line-number",
    "--max-columns",
    String(lineCharsMax),
    "--max-columns-preview",
    "--context",
    String(contextLines),
    ...(ignoreCase ? ["--ignore-case"] : []),
    "--regexp",
    pattern,
  ];
}

function walkOrder({ pattern, glob, ignoreCase, contextLines }: TextQuery) {
  return { pattern, glob, ignoreCase, contextLines, linesMax };
}

function answer({ lines, cut }: Found, nothing: string): string {
  if (lines.length === 0) return cut ? "The search took too long. Narrow it down." : nothing;
  const shown: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > answerBytesMax || shown.length >= linesMax) break;
    shown.push(line);
  }
  const isCut = cut || shown.length < lines.length;
  return isCut ? `${shown.join("\n")}\n[… there is more: narrow it down …]` : shown.join("\n");
}
