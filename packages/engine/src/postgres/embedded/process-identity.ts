import { execFile } from "node:child_process";
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { promisify } from "node:util";

/** Names one process for ever: its pid alone may be given to another after its end. */
export interface ProcessIdentity {
  pid: number;
  /** When it started, in whatever unit the system tells it. */
  startedAt: string;
  /** The boot and pid namespace (or host) in which the pid means anything. */
  namespace: string;
}

/** "elsewhere": of another boot, container or host, where its pid says nothing here. */
export type Liveness = "alive" | "dead" | "elsewhere";

const run = promisify(execFile);
let namespace: Promise<string> | undefined;

export async function ownIdentity(): Promise<ProcessIdentity> {
  const startedAt = (await processStart(process.pid)) ?? "unknown";
  return { pid: process.pid, startedAt, namespace: await pidNamespace() };
}

export async function livenessOf(identity: ProcessIdentity): Promise<Liveness> {
  if (identity.namespace !== (await pidNamespace())) return "elsewhere";
  const startedAt = await processStart(identity.pid);
  return startedAt !== undefined && startedAt === identity.startedAt ? "alive" : "dead";
}

/** The command line of a live process; undefined when there is none. */
export async function commandLine(pid: number): Promise<string | undefined> {
  if ((await processStart(pid)) === undefined) return undefined;
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
    return text?.replaceAll("\0", " ").trim();
  }
  return ps(pid, "command=");
}

/** undefined: no such process, or one that has ended and only waits to be reaped. */
async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return ps(pid, "lstart=");
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may contain anything; start time is the 22nd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" ? undefined : fields[19];
}

async function ps(pid: number, format: string): Promise<string | undefined> {
  try {
    const { stdout } = await run("ps", ["-o", format, "-p", String(pid)], {
      env: { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
    });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

function pidNamespace(): Promise<string> {
  namespace ??= readNamespace();
  return namespace;
}

async function readNamespace(): Promise<string> {
  if (process.platform !== "linux") return hostname();
  const [boot, pids] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => hostname()),
    readlink("/proc/self/ns/pid").catch(() => "pid"),
  ]);
  return `${boot.trim()} ${pids}`;
}
