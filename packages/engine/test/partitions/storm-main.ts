/**
 * `node storm-main.ts`, run where the people are: three replicas and a database in places of their own, people at work, and
 * one partition after the other. Prints what was found at the end as a line of JSON. Settings come as JSON in PARTITIONS.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Random } from "../../src/lib/random.ts";
import { eventually } from "../eventually.ts";
import type { Fleet } from "../storm/fleet.ts";
import { storm } from "../storm/storm.ts";
import { Network } from "./network.ts";
import { people, places, replicaAt, type PartitionSettings } from "./settings.ts";

const settings = JSON.parse(process.env["PARTITIONS"] ?? "{}") as PartitionSettings;
const { seconds, seed, tools, toolLog } = settings;
const long = seconds > 0;
const network = new Network(settings.network, places);
const relayPort = 7421;
const databasePort = 5432;

/** The lease is 20 s: shorter is a hiccup, longer is a takeover and somebody who comes back. */
const hiccupMs = 2_500;
const beyondLeaseMs = 23_000;

type Direction = readonly [from: string, to: string];

const both = (a: string, b: string): Direction[] => [
  [a, b],
  [b, a],
];

/** Who does not hear whom: `one` and `other` are two replicas. */
const partitions: Readonly<Record<string, (one: string, other: string) => readonly Direction[]>> = {
  "replica and database": (one) => both(one, "database"),
  "replica to database": (one) => [[one, "database"]],
  "database to replica": (one) => [["database", one]],
  "two replicas": (one, other) => both(one, other),
  "one replica to another": (one, other) => [[one, other]],
  "replica and everybody": (one) =>
    places.filter((place) => place !== one).flatMap((place) => both(one, place)),
  "replica and people": (one) => both(one, people),
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function partitioned<T>(
  directions: readonly Direction[],
  meanwhile: () => Promise<T>,
): Promise<T> {
  await Promise.all(directions.map(async ([from, to]) => await network.lose(from, to)));
  try {
    return await meanwhile();
  } finally {
    await network.heal();
  }
}

/** How many chats with something to do name the worker. */
async function owned(fleet: Fleet, workerId: string): Promise<number> {
  const of = `worker_id = '${workerId}' and status in ('running', 'interrupting')`;
  return (await fleet.sql(`select from parley.chats where ${of}`)).length;
}

/**
 * The replica that drives most chats hears nothing of the database until others have taken all of them. False: it had none
 * any more when it was cut off.
 */
async function takenOver(fleet: Fleet): Promise<boolean> {
  const [owner] = await fleet.sql<{ id: string; relay_url: string }>(
    `select w.id, w.relay_url from parley.workers w join parley.chats c on c.worker_id = w.id
     where c.status = 'running' group by w.id order by count(*) desc limit 1`,
  );
  if (owner === undefined) return false;
  const place = places.find((name) => owner.relay_url.includes(`${network.address(name)}:`))!;
  return await partitioned(both(place, "database"), async () => {
    await eventually("nothing of it is under way any more", async () => {
      const silent = `heartbeat_at < parley.now() - interval '3 seconds'`;
      const rows = await fleet.sql(
        `select from parley.workers where id = '${owner.id}' and ${silent}`,
      );
      return rows.length > 0;
    });
    if ((await owned(fleet, owner.id)) === 0) return false;
    return await eventually("others have it", async () => (await owned(fleet, owner.id)) === 0);
  });
}

const longest = "until taken over";
const names = [longest, ...Object.keys(partitions)];
const seen = new Set<string>();
let at = 1;

/** The longest until it has been seen, then each in turn. */
async function trouble(fleet: Fleet, random: Random): Promise<string> {
  const name = seen.has(longest) ? names[at++ % names.length]! : longest;
  const cause = partitions[name];
  if (cause === undefined) {
    if (!(await takenOver(fleet))) return "nothing to take over";
  } else {
    const one = Math.floor(random.float() * 3);
    const directions = cause(replicaAt(one), replicaAt((one + 1) % 3));
    const ms = long && random.float() < 0.3 ? beyondLeaseMs : hiccupMs;
    await partitioned(directions, async () => await pause(ms));
  }
  seen.add(name);
  return name;
}

/** Makes the database, which listens on a socket only, answer in its own place. */
async function openDoor(socket: { host: string; port: number; user: string; database: string }) {
  const [enter = "", ...args] = network.within("database");
  const host = network.address("database");
  const program = fileURLToPath(new URL("door.ts", import.meta.url));
  const path = `${socket.host}/.s.PGSQL.${socket.port}`;
  const command = [...args, process.execPath, program, host, String(databasePort), path];
  const door = spawn(enter, command, { stdio: ["pipe", "pipe", "inherit"] });
  await once(door.stdout, "data");
  return { ...socket, host, port: databasePort };
}

const found = await storm({
  chats: long ? 60 : 8,
  seed,
  thinkMs: long ? (seconds * 1000) / 8 : 4_000,
  killEveryMs: long ? 4_000 : 300,
  liveMsMax: long ? seconds * 1000 : 60_000,
  fleet: {
    env: { PARLEY_TOOLS: tools, PARLEY_TEST_TOOL_LOG: toolLog },
    providerHost: network.address(people),
    through: openDoor,
    place: (index) => {
      const host = network.address(replicaAt(index));
      return {
        within: network.within(replicaAt(index)),
        env: {
          PARLEY_HOST: host,
          PARLEY_RELAY_HOST: host,
          PARLEY_RELAY_PORT: String(relayPort),
        },
      };
    },
  },
  trouble,
});
process.stdout.write(`\nfound ${JSON.stringify({ faults: found, seen: [...seen] })}\n`);
process.exit(0);
