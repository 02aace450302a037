import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { processTime, type Spender } from "./spender.ts";
import { until } from "./time.ts";

/** A server that the machine brings, on a port of loopback, for as long as it is measured. */
export interface Service extends Spender {
  readonly port: number;
  stop(): void;
}

/** Where Debian and others put servers. */
const folders = ["/usr/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"];

/** Null where the machine has no such program. */
export async function startService(
  program: string,
  argumentsFor: (port: number) => string[],
): Promise<Service | null> {
  const binary = folders.map((folder) => `${folder}/${program}`).find(existsSync);
  if (binary === undefined) return null;
  const port = await freePort();
  const child = spawn(binary, argumentsFor(port), { stdio: "ignore" });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  await until(`${program} listens`, async () => await listens(port));
  return { name: program, port, stop, cpu: processTime(child.pid ?? 0) };
}

export async function startRedis(): Promise<Service | null> {
  const nothingKept = ["--save", "", "--appendonly", "no"];
  return await startService("redis-server", (port) => [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    ...nothingKept,
  ]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
