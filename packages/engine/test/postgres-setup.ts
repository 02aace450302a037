import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { defined } from "../src/lib/assert.ts";
import { createDatabase } from "../src/postgres/database.ts";
import { findPostmaster } from "../src/postgres/embedded/postmaster.ts";
import { countUsers } from "../src/postgres/embedded/users.ts";
import { startEmbedded } from "../src/postgres/embedded.ts";
import { migrate } from "../src/postgres/migrate.ts";

/** The migrated database that every test file clones. */
const templateName = "parley_template";

/** Where the server of a test project listens, and what to clone. */
interface TestServer {
  host: string;
  port: number;
  user: string;
  template: string;
  major: number;
}

declare module "vitest" {
  interface ProvidedContext {
    postgresBinary: { major: number; binDir: string | null };
    postgres: TestServer;
  }
}

/** Younger ones may belong to a run that is just starting. */
const leftoverAgeMs = 10 * 60_000;

/** A run that was killed leaves its server behind; the next one clears it away. */
async function sweepLeftovers(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith("parley-test-pg"));
  for (const name of names) {
    const folder = join(tmpdir(), name);
    const dataDir = join(folder, "d");
    const age = Date.now() - (await stat(folder).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age < leftoverAgeMs || (await countUsers(join(dataDir, "postgres.users"))) > 0) continue;
    const server = await findPostmaster(join(dataDir, "postgres"));
    if (server) process.kill(server.pid, "SIGINT");
    else await rm(folder, { recursive: true, force: true });
  }
}

let stop: (() => Promise<void>) | undefined;

/** Starts the one server of a test project in a folder of its own, and migrates the template. */
export async function setup(project: TestProject): Promise<void> {
  const { major, binDir } = defined(project.config.provide.postgresBinary, "postgresBinary");
  await sweepLeftovers();
  const folder = await mkdtemp(join(tmpdir(), `parley-test-pg${major}-`));
  await chmod(folder, 0o755); // as root without user namespaces the server runs as nobody
  const server = await startEmbedded({
    dataDir: join(folder, "d"),
    durable: false,
    ...(binDir === null ? {} : { binDir }),
  });
  stop = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const { host, port, user } = server.settings;
  try {
    await makeTemplate({ host, port, user });
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide("postgres", { host, port, user, template: templateName, major });
}

export async function teardown(): Promise<void> {
  await stop?.();
}

async function makeTemplate(at: { host: string; port: number; user: string }): Promise<void> {
  const admin = createDatabase({ ...at, database: "postgres" });
  const connection = await admin.connection("template");
  await connection.exec(`create database ${templateName}`);
  const template = createDatabase({ ...at, database: templateName });
  await migrate(template);
  await template.close();
  await connection.close();
  await admin.close();
}
