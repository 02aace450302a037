import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { natsServer } from "../../../test/services.ts";

export interface NatsServer {
  readonly url: string;
  /** Ends the server, hard, and starts it again at the same port. */
  restart(): Promise<void>;
  /** Ends it, hard, until `comeBack`. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** Debian's `nats-server` on loopback. */
export async function startNatsServer(): Promise<NatsServer> {
  const port = await freePort();
  let child = await launch(port);
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    async restart() {
      await end();
      child = await launch(port);
    },
    goAway: end,
    async comeBack() {
      child = await launch(port);
    },
    stop: end,
  };
}

async function launch(port: number): Promise<ChildProcess> {
  const program = natsServer() ?? "nats-server";
  const child = spawn(program, ["--addr", "127.0.0.1", "--port", String(port)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("Server is ready")) resolve();
    });
    child.once("exit", () => reject(new Error(`nats-server ended:\n${output}`)));
    child.once("error", reject);
  });
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
