import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Network } from "./partitions/network.ts";
import { people, places, type PartitionSettings } from "./partitions/settings.ts";
import { temporaryFolder } from "./server-process.ts";

/**
 * Three replicas, a database and people, each in a network namespace of their own, and packets that are lost between them:
 * both ways and one way, between a replica and the database, between two replicas, and between a replica and people. The
 * storm runs where the people are. What must hold in the end is what must hold after every other fault.
 * `npm run faults`: for minutes.
 */

const seconds = Number(process.env["PARLEY_FAULT_SECONDS"] ?? 0);
const seed = process.env["PARLEY_FAULT_SEED"] ?? "partitions";
const inTest = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test(
  "the network is partitioned in one way after the other: others take over, and nothing is lost, doubled or run twice",
  async ({ onTestFinished }) => {
    const folder = await temporaryFolder();
    onTestFinished(async () => await folder.remove());
    await chmod(folder.path, 0o755);
    const toolLog = join(folder.path, "tools.log");
    await writeFile(toolLog, "");
    const network = new Network(`parley-${process.pid}`, places);
    onTestFinished(async () => await network.remove());
    await network.create();

    const tools = inTest("killing-tools.ts");
    const settings: PartitionSettings = { network: network.id, seconds, seed, tools, toolLog };
    const [enter = "", ...args] = network.within(people);
    const program = inTest("partitions/storm-main.ts");
    const child = spawn(enter, [...args, process.execPath, program], {
      env: { ...process.env, PARTITIONS: JSON.stringify(settings) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await once(child, "close");
    process.stdout.write(output.replace(/^found .*$/m, ""));
    const found = /^found (.*)$/m.exec(output)?.[1] ?? "null";
    expect(JSON.parse(found)).toEqual({
      faults: [],
      seen: expect.arrayContaining(["until taken over"]) as string[],
    });
    const runs = (await readFile(toolLog, "utf8")).split("\n").filter((line) => line !== "");
    expect(new Set(runs).size).toBe(runs.length);
  },
  300_000 + seconds * 3_000,
);
