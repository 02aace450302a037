import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../lib/clock.ts";
import type { DataFolder } from "../data-folder.ts";

const main = fileURLToPath(new URL("replica-main.ts", import.meta.url));

/** How often the data folder is asked whether the replica listens. */
const lookEveryMs = 50;

export interface ReplicaSettings {
  readonly name: string;
  /** For `parley serve`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: Pick<DataFolder, "servers">;
  readonly clock: Clock;
  /** A line that it writes to its standard error. */
  readonly onLine: (line: string) => void;
}

export interface ReplicaEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One `parley serve` as a process of its own. */
export class Replica {
  readonly name: string;
  /** Undefined where the process could not even be made; `exited` says so then. */
  readonly pid: number | undefined;
  /** When it is gone. Never rejects. */
  readonly exited: Promise<ReplicaEnd>;
  readonly #child: ChildProcess;
  readonly #settings: ReplicaSettings;
  #stopped = false;
  #ended = false;

  constructor(settings: ReplicaSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.#child = spawn(process.execPath, [...process.execArgv, main, "serve", ...settings.args], {
      env: settings.env,
      // Its banner would be one of many. The channel tells it when we are gone.
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Ctrl-C goes to every process of the terminal's group: who ends when is ours to say.
      detached: true,
    });
    this.pid = this.#child.pid;
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#ended = true;
        resolve({ code, signal });
      };
      this.#child.once("exit", end);
      this.#child.once("error", () => end(null, null));
    });
    const lines = createInterface({ input: this.#child.stderr as Readable });
    lines.on("line", settings.onLine);
  }

  /** Whether it was sent SIGSTOP and not SIGCONT since. */
  get stopped(): boolean {
    return this.#stopped;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Its port, once it listens; undefined where it ended before. */
  async listening(): Promise<number | undefined> {
    const { folder, clock } = this.#settings;
    while (!this.#ended) {
      // oxlint-disable-next-line no-await-in-loop
      const own = (await folder.servers()).find((server) => server.process.pid === this.pid);
      if (own !== undefined) return Number(new URL(own.url).port);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(lookEveryMs, "cluster.listening");
    }
    return undefined;
  }

  /** Does nothing where it has ended. */
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    if (this.#ended) return;
    // One that is stopped, by whomever, hears of nothing but SIGKILL.
    if (signal === "SIGTERM") this.signal("SIGCONT");
    if (signal === "SIGSTOP") this.#stopped = true;
    if (signal === "SIGCONT") this.#stopped = false;
    this.#child.kill(signal);
  }
}
