import type { Clock } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { Files } from "./files.ts";
import { Processes } from "./processes.ts";
import { findProgram } from "./programs.ts";
import { Root } from "./root.ts";
import { type CommandLimits, defaultCommandLimits, findSandbox, type Sandbox } from "./sandbox.ts";
import { Search } from "./search.ts";

export interface WorkspaceOptions {
  readonly folder: string;
  /** What commands find in their environment; its PATH is also where their programs are looked for. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether commands run at all. */
  readonly commands: boolean;
  /** Use it where it is there and works. */
  readonly bubblewrap: boolean;
  readonly network: boolean;
  readonly readable: readonly string[];
  readonly limits?: Partial<CommandLimits>;
  /** Use it where it is there. */
  readonly ripgrep?: boolean;
  readonly clock: Clock;
  readonly random: Pick<Random, "uuid">;
}

/** A folder that agents work in. */
export interface Workspace {
  readonly root: Root;
  readonly files: Files;
  readonly search: Search;
  /** Null: commands are not run here. */
  readonly processes: Processes | null;
  readonly sandbox: Sandbox;
  close(): Promise<void>;
}

export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const { env, clock, random, network, readable } = options;
  const path = env["PATH"] ?? "";
  const root = await Root.open(options.folder);
  const limits = { ...defaultCommandLimits, ...options.limits };
  const [ripgrep, sandbox] = await Promise.all([
    options.ripgrep === false ? null : findProgram("rg", path),
    findSandbox(
      { root: root.path, path, limits, network, readable },
      { useBubblewrap: options.bubblewrap },
    ),
  ]);
  const processes = options.commands ? new Processes({ root, sandbox, env, clock }) : null;
  return {
    root,
    files: new Files(root, random),
    search: new Search({ root, ripgrep, clock }),
    processes,
    sandbox,
    async close() {
      await processes?.stop();
      await root.close();
    },
  };
}
