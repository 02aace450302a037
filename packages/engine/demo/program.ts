import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Pane } from "./pane.ts";

const startMsMax = 120_000;
const endMsMax = 10_000;

export interface Program {
  /** Resolves with the match, once the program has written it. */
  says(pattern: RegExp, msMax?: number): Promise<RegExpExecArray>;
  type(line: string): void;
  /** Asks it to end, and waits until it has. */
  end(): Promise<void>;
}

/** A real process, shown in a pane. */
export function start(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  pane: Pane,
): Program {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", path, ...args], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const looking = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    pane.add(chunk.toString());
    for (const look of looking) look();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  // One that has ended takes no more input: its exit says so.
  child.stdin.on("error", () => {});
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    async says(pattern, msMax = startMsMax) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
      const look = (): void => {
        const found = pattern.exec(pane.text);
        if (found !== null) resolve(found);
      };
      const give = (why: string) => reject(new Error(`${args[0]} ${why} without ${pattern}`));
      const timer = setTimeout(() => give("went on"), msMax);
      void exited.then((code) => give(`ended with ${code}`));
      looking.add(look);
      look();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        looking.delete(look);
      }
    },
    type: (line) => void child.stdin.write(`${line}\n`),
    async end() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), endMsMax);
      await exited;
      clearTimeout(timer);
      pane.end();
    },
  };
}
