import { spawn } from "node:child_process";
import { open, rename, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { commandAs, type Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { programEnv } from "./cluster.ts";

export interface ServerOptions {
  clusterDir: string;
  socketDir: string;
  port: number;
  logFile: string;
  binaries: Binaries;
  account: Account;
  /** false: nothing is flushed. For tests, whose data nobody misses. */
  durable: boolean;
}

/** A server that was started here. */
export interface ServerProcess {
  /** undefined when it could not even be started. */
  readonly pid: number | undefined;
  /** Whether it has ended, and with what. */
  ended(): string | undefined;
  /** What it has written to the log since it was started. */
  output(): Promise<string>;
}

const logBytesMax = 10 * 1024 * 1024;

/** As much of the log as an error message can use. */
const outputBytesMax = 16 * 1024;

/**
 * Starts the server away from our terminal and our streams: a Ctrl-C is for us alone, and it outlives us when we
 * are killed. One who wants the log finds it in the data folder; it holds neither statements nor row contents.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const log = await openLog(options.logFile);
  try {
    const from = (await log.stat()).size;
    const {
      file,
      args,
      options: as,
    } = commandAs(
      options.account,
      join(options.binaries.binDir, "postgres"),
      serverArguments(options),
    );
    const child = spawn(file, args, {
      ...as,
      cwd: options.clusterDir,
      env: programEnv(options.binaries),
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    let ended: string | undefined;
    child.on("error", (error) => (ended = error.message));
    child.on("exit", (code, signal) => (ended ??= `exit ${signal ?? code}`));
    child.unref();
    return { pid: child.pid, ended: () => ended, output: () => readFrom(options.logFile, from) };
  } finally {
    await log.close();
  }
}

function serverArguments({ clusterDir, socketDir, port, durable }: ServerOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "",
    unix_socket_directories: socketDir,
    unix_socket_permissions: "0700",
    port: String(port),
    shared_buffers: "64MB",
    max_connections: "150",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", clusterDir, ...flags];
}

async function openLog(file: string): Promise<FileHandle> {
  const size = await stat(file).then(
    (info) => info.size,
    () => 0,
  );
  if (size > logBytesMax) await rename(file, `${file}.1`);
  return open(file, "a", 0o600);
}

async function readFrom(file: string, from: number): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - outputBytesMax);
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(outputBytesMax),
      position: start,
    });
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}
