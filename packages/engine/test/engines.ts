import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient, type Client } from "@parley/client";
import { ensureFirstToken } from "../src/cli/first-token.ts";
import { DataFolder } from "../src/cli/data-folder.ts";
import { loadConfig } from "../src/config.ts";
import { createEngine } from "../src/engine.ts";
import type { Replica } from "../src/engine/replica.ts";
import { systemClock, type Clock } from "../src/lib/clock.ts";
import type { Logger } from "../src/lib/logger.ts";
import { systemRandom } from "../src/lib/random.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { ScriptedModels } from "./scripted-models.ts";
import { temporaryFolder } from "./server-process.ts";

const token = "parley_test_token_0123456789abcdef";

/** Whole replicas inside the test's process, over a database of its own: everything is real but the model. */
export interface Engines {
  readonly database: TestDatabase;
  /** Files below it, for settings that want a path. */
  file(name: string, content: string): Promise<string>;
  start(options?: EngineOptions): Promise<RunningEngine>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly env?: Record<string, string>;
  /** How far its clock is from this machine's. */
  readonly clockOffMs?: number;
}

export interface RunningEngine {
  readonly replica: Replica;
  readonly client: Client;
  /** For clients of one's own. */
  readonly token: string;
  readonly models: ScriptedModels;
  /** What it has logged: level, message and code of the error. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

export async function createEngines(): Promise<Engines> {
  const database = await createTestDatabase();
  const folder = await temporaryFolder();
  const random = systemRandom(systemClock);
  const data = new DataFolder(join(folder.path, "data"), random);
  await data.make();
  await ensureFirstToken({
    database: database.database,
    folder: data,
    random,
    configured: token,
    embedded: false,
  });
  const running = new Set<RunningEngine>();
  return {
    database,
    async file(name, content) {
      const path = join(folder.path, name);
      await writeFile(path, content);
      return path;
    },
    async start({ env = {}, clockOffMs = 0 } = {}) {
      const { config } = loadConfig({
        env: {
          PARLEY_PORT: "0",
          PARLEY_DATA_DIR: data.path,
          PARLEY_TITLE_MODEL: "off",
          ...env,
        },
        platform: process.platform,
        homeDir: folder.path,
      });
      const clock: Clock = { ...systemClock, now: () => systemClock.now() + clockOffMs };
      const models = new ScriptedModels();
      const log: string[] = [];
      const replica = await createEngine(config, {
        connection: database.settings,
        logger: recorder(log),
        clock,
        random: systemRandom(clock),
        version: "test",
        models,
      });
      await replica.start();
      const client = createClient({ baseUrl: replica.url, token }, { backoffMsMin: 50 });
      const engine: RunningEngine = {
        replica,
        client,
        token,
        models,
        log,
        async stop() {
          if (!running.delete(engine)) return;
          await replica.stop();
        },
      };
      running.add(engine);
      return engine;
    },
    async close() {
      for (const engine of running) await engine.stop();
      await database.drop();
      await folder.remove();
    },
  };
}

function recorder(log: string[]): Logger {
  const method =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void => {
      const { code, err } = fields as { code?: string; err?: { code?: string } };
      log.push(`${level} ${message} ${code ?? err?.code ?? ""}`);
    };
  const logger: Logger = {
    debug: () => {},
    info: method("info"),
    warn: method("warn"),
    error: method("error"),
    child: () => logger,
  };
  return logger;
}
