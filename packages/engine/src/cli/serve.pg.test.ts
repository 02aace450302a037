import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Exited, testCli, type TestCli } from "../../test/cli-context.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { loadConfig, type Config } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { DataFolder } from "./data-folder.ts";
import { serve, type EngineFactory, type ServedEngine } from "./serve.ts";

let test: TestDatabase;
let dataDir: string;
let config: Config;
let cli: TestCli;
let monotonicMs = 0;

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "parley-serve-"));
  const { host, port, user, database } = test.settings;
  const clock = { ...systemClock, monotonic: () => monotonicMs };
  const env = {
    PARLEY_DATABASE_URL: `postgres://${user}@/${database}?host=${host}&port=${port}`,
    PARLEY_DATA_DIR: dataDir,
    PARLEY_LOG_LEVEL: "debug",
    PARLEY_LOG_FORMAT: "json",
    PARLEY_TOKEN: "a-token-for-scripts",
  };
  cli = testCli(env, { clock });
  ({ config } = loadConfig(cli.context));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** Where the engine itself is not what is tested. */
function standIn(overrides: Partial<ServedEngine> = {}): {
  create: EngineFactory;
  calls: string[];
} {
  const calls: string[] = [];
  const note = (name: string) => async (): Promise<void> => void calls.push(name);
  const engine: ServedEngine = {
    url: "http://127.0.0.1:7420",
    defaultModel: "demo/demo",
    start: note("start"),
    drain: note("drain"),
    stop: note("stop"),
    ...overrides,
  };
  return { create: () => Promise.resolve(engine), calls };
}

describe("parley serve", () => {
  it("prints its URL with the token, tells chat where it is, and drains on SIGTERM", async () => {
    const { create, calls } = standIn();
    const running = serve(config, cli.context, create);
    await cli.outHas("End ");
    expect(cli.out()).toContain("    http://127.0.0.1:7420/?token=a-token-for-scripts\n");
    const folder = new DataFolder(dataDir, systemRandom(systemClock));
    const [server] = await folder.servers();
    expect(server).toMatchObject({ url: "http://127.0.0.1:7420", token: "a-token-for-scripts" });

    cli.signal("SIGTERM");
    expect(await running).toBe(0);
    expect(calls).toEqual(["start", "drain", "stop"]);
    expect(await readdir(join(dataDir, "servers"))).toEqual([]);
    expect(cli.err()).toContain("once more ends at once");
    expect(cli.err()).not.toContain("a-token-for-scripts");
  });

  it("ends at once on the second signal", async () => {
    const draining = Promise.withResolvers<void>();
    const { create } = standIn({ drain: () => draining.promise });
    const running = serve(config, cli.context, create);
    await cli.outHas("End ");
    cli.signal("SIGINT");
    // npm passes on what the terminal has sent to everybody already.
    cli.signal("SIGINT");
    monotonicMs += 600;
    expect(() => cli.signal("SIGINT")).toThrow(new Exited(130));
    expect(() => cli.signal("SIGTERM")).toThrow(new Exited(143));
    draining.resolve();
    expect(await running).toBe(0);
  });

  it("ends with an error that nobody caught, and says what it was", async () => {
    const running = serve(config, cli.context, standIn().create);
    await cli.outHas("End ");
    expect(() => cli.uncaught(new Error("a bug"))).toThrow(new Exited(1));
    expect(cli.err()).toContain("Error: a bug");
    cli.signal("SIGTERM");
    expect(await running).toBe(0);
  });

  it.each([
    ["EADDRINUSE", "Port 7420 of 127.0.0.1 is taken: another program listens there."],
    ["EACCES", "This account may not listen on port 7420."],
    ["EADDRNOTAVAIL", "127.0.0.1 is no address of this machine."],
  ])("explains %s and stops what it had started", async (code, message) => {
    const start = () => Promise.reject(Object.assign(new Error(code), { code }));
    const { create, calls } = standIn({ start });
    await expect(serve(config, cli.context, create)).rejects.toThrow(message);
    expect(calls).toEqual(["stop"]);
    expect(await readdir(join(dataDir, "servers"))).toEqual([]);
  });

  it("does not wait for a database that refuses it", async () => {
    const { context } = testCli({ PARLEY_LOG_LEVEL: "silent" });
    const { host, port, user } = test.settings;
    const databaseUrl = `postgres://${user}@/no_such_database?host=${host}&port=${port}`;
    const failed = serve({ ...config, databaseUrl }, context, standIn().create);
    await expect(failed).rejects.toThrow(/refuses the connection.*no_such_database.*doctor/s);
  });

  it("uses PARLEY_BASE_URL in what it prints, and its own address in what chat reads", async () => {
    const running = serve({ ...config, baseUrl: "https://p.test" }, cli.context, standIn().create);
    await cli.outHas("End ");
    expect(cli.out()).toContain("    https://p.test/?token=");
    cli.signal("SIGINT");
    await running;
  });
});
