import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "./programs.ts";

/** What one command, with everything that it starts, may use. */
export interface CommandLimits {
  /** Processor time of each process. */
  readonly cpuSeconds: number;
  /** Private memory of each process. */
  readonly memoryBytes: number;
  readonly fileBytes: number;
  readonly openFiles: number;
  /** Of the user, over all commands; counts for root only inside of bubblewrap's user namespace. */
  readonly processes: number;
}

export const defaultCommandLimits: CommandLimits = {
  cpuSeconds: 3_600,
  memoryBytes: 4 * 1024 ** 3,
  fileBytes: 2 * 1024 ** 3,
  openFiles: 4_096,
  processes: 4_096,
};

export interface SandboxOptions {
  readonly root: string;
  /** PATH, on which the programs are looked for and which commands get. */
  readonly path: string;
  readonly limits: CommandLimits;
  /** Whether commands reach the network; without bubblewrap they always do. */
  readonly network: boolean;
  /** Folders outside of the workspace that commands may read. */
  readonly readable: readonly string[];
}

export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
}

/** The programs that a command is run with. */
export interface Sandbox {
  /** Where bubblewrap is, if it is there and works; else commands see what this account sees. */
  readonly bubblewrap: string | null;
  /** @param folder within the workspace, absolute */
  line(command: string, folder: string): CommandLine;
}

/** What programs need of a system, and nothing of its users. */
const systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix"];
const secretFiles = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers"];

/** What a command finds as its home inside of bubblewrap: empty, and gone with it. */
export const sandboxHome = "/tmp";

export async function findSandbox(
  options: SandboxOptions,
  { useBubblewrap }: { useBubblewrap: boolean },
): Promise<Sandbox> {
  const { path } = options;
  const [bwrap, prlimit, bash] = await Promise.all([
    useBubblewrap ? findProgram("bwrap", path) : null,
    findProgram("prlimit", path),
    findProgram("bash", path),
  ]);
  // bash takes the sockets that Node gives a child for a network login, and would read the user's startup files.
  const shell = bash === null ? ["/bin/sh", "-c"] : [bash, "--noprofile", "--norc", "-c"];
  const bubblewrap = bwrap !== null && (await works(bwrap, options)) ? bwrap : null;
  return {
    bubblewrap,
    line(command, folder) {
      const limited = [...limitArgs(options.limits, prlimit), ...shell, command];
      const [program = "/bin/sh", ...args] =
        bubblewrap === null
          ? limited
          : [bubblewrap, ...bubblewrapArgs(options, folder), "--info-fd", "3", "--", ...limited];
      return { program, args };
    },
  };
}

/** It may be installed and not be allowed to do anything: user namespaces are forbidden in many containers. */
async function works(bwrap: string, options: SandboxOptions): Promise<boolean> {
  const args = [...bubblewrapArgs(options, options.root), "--", "true"];
  return await promisify(execFile)(bwrap, args, {
    env: { PATH: options.path },
    timeout: probeMs,
  }).then(
    () => true,
    () => false,
  );
}

const probeMs = 10_000;

function bubblewrapArgs(
  { root, network, readable }: SandboxOptions,
  folder: string,
): readonly string[] {
  // Where this Node is, commands may need it too.
  const read = [...systemFolders, dirname(dirname(process.execPath)), ...readable];
  return [
    ...read.flatMap((path) => ["--ro-bind-try", path, path]),
    // What is not there cannot be covered: its folder is not to be written.
    ...secretFiles.filter(existsSync).flatMap((path) => ["--ro-bind", "/dev/null", path]),
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
    "--bind",
    root,
    root,
    "--chdir",
    folder,
    "--unshare-user-try",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    ...(network ? [] : ["--unshare-net"]),
  ];
}

function limitArgs(limits: CommandLimits, prlimit: string | null): string[] {
  const { cpuSeconds, memoryBytes, fileBytes, openFiles, processes } = limits;
  if (prlimit !== null) {
    return [
      prlimit,
      "--core=0",
      `--cpu=${cpuSeconds}`,
      `--data=${memoryBytes}`,
      `--fsize=${fileBytes}`,
      `--nofile=${openFiles}`,
      `--nproc=${processes}`,
      "--",
    ];
  }
  // What every shell knows.
  const script = 'ulimit -c 0; ulimit -t "$1"; ulimit -n "$2"; shift 2; exec "$@"';
  return ["/bin/sh", "-c", script, "limits", String(cpuSeconds), String(openFiles)];
}
