import { existsSync } from "node:fs";
import { spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import type { Lived } from "../programs/people.ts";
import { makeChats, type Cluster } from "../rig/cluster.ts";
import { interleave, type Contender, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage, type Stage } from "../rig/stage.ts";
import { until } from "../rig/time.ts";
import { createConnection } from "node:net";

const chats = 30;
const natsBinaries = [
  "/usr/sbin/nats-server",
  "/usr/local/bin/nats-server",
  "/usr/bin/nats-server",
];

export const bus: Scenario = {
  name: "bus",
  about: "a turn that is followed on another replica, with each of the bus's drivers",
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster } = stage;
      const contenders = [await contender("PostgreSQL", cluster, stage, {})];
      const notes: string[] = [];
      const binary = natsBinaries.find((path) => existsSync(path));
      if (binary === undefined) notes.push("There is no nats-server on this machine.");
      const nats = binary === undefined ? null : await startNats(binary);
      try {
        if (nats !== null) {
          contenders.push(await contender("NATS", cluster, stage, { PARLEY_NATS_URL: nats.url }));
        }
        const measured = await interleave(options, contenders);
        const work = `${chats} chats, each sent a message on one replica and followed on another, 4 at a time`;
        return { scenario: "bus", work, ...measured, notes };
      } finally {
        nats?.stop();
      }
    }),
  ],
};

async function contender(
  name: string,
  cluster: Cluster,
  { start }: Stage,
  env: Record<string, string>,
): Promise<Contender> {
  const owner = await cluster.replica({ env }, `${name} owner`);
  const edge = await cluster.replica({ env: { ...env, PARLEY_CAPACITY: "0" } }, `${name} edge`);
  const people = await start("people");
  const ids = await makeChats(owner, chats);
  await people.call(
    "come",
    ids.map((id) => owner.place(id, "bench/short", edge)),
  );
  return {
    name,
    async measure() {
      const { first, whole } = await people.call<Lived>("live", { atOnce: 4, turns: 1 });
      return {
        "first part p50 ms": first.p50,
        "first part p99 ms": first.p99,
        "whole turn p50 ms": whole.p50,
        "whole turn p99 ms": whole.p99,
      };
    },
  };
}

async function startNats(binary: string): Promise<{ url: string; stop(): void }> {
  const port = await freePort();
  const child = spawn(binary, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  await until("the NATS server listens", async () => await listens(port));
  return { url: `nats://127.0.0.1:${port}`, stop: () => void child.kill("SIGKILL") };
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
