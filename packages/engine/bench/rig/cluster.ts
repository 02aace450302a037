import { randomBytes, randomUUID } from "node:crypto";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { createClient, type Client } from "@parley/client";
import { hashToken } from "../../src/domain/token.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { createDatabase, type Database } from "../../src/postgres/database.ts";
import { startEmbedded } from "../../src/postgres/embedded.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { insertPrincipal } from "../../src/store/principals.ts";
import { insertToken } from "../../src/store/tokens.ts";
import type { Place } from "../programs/people.ts";
import type { ReplicaSettings } from "../programs/replica.ts";
import type { Target } from "../programs/subscribers.ts";
import { Program } from "./program.ts";
import { processTime, type Spender } from "./spender.ts";
import { until } from "./time.ts";

/** One replica, as those who measure it see it. */
export interface Member {
  readonly program: Program;
  readonly url: string;
  readonly client: Client;
  target(chatId: string, count?: number): Target;
  /** Where a person sends to this replica; he follows the chat at `edge`. */
  place(chatId: string, model: string, edge?: Member): Place;
}

/** A database of its own, durable as in production, and the replicas on it. */
export class Cluster {
  readonly database: Database;
  readonly databaseUrl: string;
  /** The server's own processor time. */
  readonly postgres: Spender;
  /** Who owns every chat. */
  readonly principalId: string;
  readonly #token: string;
  readonly #stops: (() => Promise<unknown>)[];

  private constructor(
    database: Database,
    databaseUrl: string,
    postgres: Spender,
    token: { principalId: string; text: string },
    stops: (() => Promise<unknown>)[],
  ) {
    this.database = database;
    this.databaseUrl = databaseUrl;
    this.postgres = postgres;
    this.principalId = token.principalId;
    this.#token = token.text;
    this.#stops = stops;
  }

  static async start(): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), "parley-bench-"));
    await chmod(folder, 0o755); // as root without user namespaces the database runs as nobody
    const server = await startEmbedded({ dataDir: join(folder, "db") });
    const { host, port, user, database: name } = server.settings;
    const random = systemRandom(systemClock);
    const common = { logger: silentLogger, clock: systemClock, random };
    const database = createDatabase({ ...server.settings, poolSize: 4, ...common });
    await migrate(database, { logger: silentLogger });
    const text = `parley_${randomBytes(32).toString("base64url")}`;
    const principalId = randomUUID();
    await database.write(async (tx) => {
      await insertPrincipal(tx, { id: principalId, name: "bench", is_admin: true });
      await insertToken(tx, {
        id: randomUUID(),
        principal_id: principalId,
        name: "bench",
        token_hash: hashToken(text),
        expires_in_seconds: null,
      });
    });
    const url = `postgresql://${user}@${encodeURIComponent(host)}:${port}/${name}`;
    const pid = Number(
      (await readFile(join(folder, "db", "postgres", "postmaster.pid"), "utf8")).split("\n")[0],
    );
    const postgres = { name: "PostgreSQL", cpu: processTime(pid) };
    return new Cluster(database, url, postgres, { principalId, text }, [
      async () => await rm(folder, { recursive: true, force: true }),
      async () => await server.stop(),
      async () => await database.close(),
    ]);
  }

  async replica(
    settings: Omit<ReplicaSettings, "databaseUrl"> = {},
    name = "replica",
    flags: readonly string[] = [],
  ): Promise<Member> {
    const { databaseUrl } = this;
    const program = await Program.start("replica", { ...settings, databaseUrl }, name, flags);
    this.#stops.push(async () => await program.kill());
    const url = await program.call<string>("url");
    const token = this.#token;
    return {
      program,
      url,
      client: createClient({ baseUrl: url, token, timeoutMs: 60_000 }),
      target(chatId, count = 1) {
        return { url: streamOf(url, chatId), token, count };
      },
      place(chatId, model, edge) {
        const stream = streamOf(edge?.url ?? url, chatId);
        return { post: `${url}/api/v1/chats/${chatId}/messages`, stream, token, model };
      },
    };
  }

  /** Another database on the same server, for a peer. */
  async extraDatabase(name: string): Promise<string> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    await client.connect();
    await client.query(`create database ${name}`);
    await client.end();
    return this.databaseUrl.replace(/[^/]+$/, name);
  }

  async stop(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop
    for (const stop of this.#stops.toReversed()) await stop();
  }
}

function streamOf(url: string, chatId: string): string {
  return `${url.replace(/^http/, "ws")}/api/v1/chats/${chatId}/stream`;
}

/** Does the same for each, some at a time. */
export async function each<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  atOnce = 20,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    /* oxlint-disable no-await-in-loop */
    for (let i = next++; i < items.length; i = next++) {
      results[i] = await work(items[i] as T, i);
    }
    /* oxlint-enable no-await-in-loop */
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}

/** Chats that are idle, and whose first turns are over. */
export async function makeChats(
  member: Member,
  count: number,
  model = "bench/short",
): Promise<string[]> {
  const ids = await each(
    Array.from({ length: count }, (_, i) => i),
    async (i) => {
      const { chat } = await member.client.createChat({
        content: `Chat ${i}.`,
        model,
      });
      return chat.id;
    },
  );
  await idle(member);
  return ids;
}

export async function idle({ program }: Member): Promise<void> {
  await until("no chat is driven", async () => (await program.call<number>("runners")) === 0);
}
