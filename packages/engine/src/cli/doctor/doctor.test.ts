import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testCli } from "../../../test/cli-context.ts";
import { loadConfig, type Config } from "../../config.ts";
import type { ServerFacts } from "../../store/diagnosis.ts";
import { DataFolder } from "../data-folder.ts";
import { judgeClock, judgeServer } from "./database.ts";
import { findingText, type Finding } from "./finding.ts";
import {
  checkBinaries,
  checkDataFolder,
  checkExposure,
  checkNode,
  checkProviders,
} from "./installation.ts";
import { checkServers } from "./server.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "parley-doctor-test-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function config(env: Record<string, string> = {}): Config {
  const all = { PARLEY_DATA_DIR: dataDir, ...env };
  return loadConfig({ env: all, platform: "linux", homeDir: "/u/a" }).config;
}

const bad = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity !== "ok").map(findingText);

const facts: ServerFacts = {
  version: "18.4",
  version_number: 180_004,
  now_ms: 0,
  connections_max: 100,
  connections_used: 1,
  is_standby: false,
  database_bytes: 1,
  may_create: true,
  has_schema: true,
  fsync: "on",
  synchronous_commit: "on",
};

describe("a database server", () => {
  it("is fine as it comes", () => {
    expect(bad(judgeServer(facts, false, { poolSize: 8 }))).toEqual([]);
  });

  it.each([
    [{ version: "14.9", version_number: 140_009 }, "problem", "too old"],
    [{ is_standby: true }, "problem", "Name the primary"],
    [{ has_schema: false, may_create: false }, "problem", "grant create on database"],
    [{ connections_used: 95 }, "warning", "only 5 of 100 connections"],
    [{ fsync: "off" }, "warning", "fsync is off"],
    [{ synchronous_commit: "off" }, "warning", "synchronous_commit is off"],
  ])("with %o is a %s", (change, severity, text) => {
    const [line] = bad(judgeServer({ ...facts, ...change }, false, { poolSize: 8 }));
    expect(line).toMatch(new RegExp(`^${severity}`));
    expect(line).toContain(text);
  });

  it("has a clock that may be two seconds off", () => {
    expect(judgeClock(-1500)).toEqual([]);
    expect(bad(judgeClock(-90_000))[0]).toContain("90.0 s behind this machine's");
    expect(bad(judgeClock(3_000))[0]).toContain("3.0 s ahead of this machine's");
  });
});

describe("the installation", () => {
  it("needs Node 24", () => {
    expect(checkNode("24.0.0").severity).toBe("ok");
    expect(findingText(checkNode("20.11.1"))).toContain("npm ci");
  });

  it("needs a data folder that is a folder, or can be made", async () => {
    expect(bad(await checkDataFolder(config()))).toEqual([]);
    const below = { PARLEY_DATA_DIR: join(dataDir, "a", "b") };
    expect(bad(await checkDataFolder(config(below)))).toEqual([]);
    await writeFile(join(dataDir, "file"), "");
    const file = { PARLEY_DATA_DIR: join(dataDir, "file") };
    expect(bad(await checkDataFolder(config(file)))[0]).toContain("is no folder");
  });

  it("keeps its token to itself", async () => {
    await writeFile(join(dataDir, "token"), "t");
    await chmod(join(dataDir, "token"), 0o644);
    expect(bad(await checkDataFolder(config()))[0]).toContain("chmod 600");
  });

  it("needs PostgreSQL's programs, unless there is a server", async () => {
    const missing = { PARLEY_POSTGRES_BIN_DIR: join(dataDir, "nothing") };
    const [line] = bad(await checkBinaries(config(missing)));
    expect(line).toContain("is missing or may not be executed");
    expect(line).toContain("PARLEY_DATABASE_URL");
    const url = { PARLEY_DATABASE_URL: "postgres://h/d" };
    expect(await checkBinaries(config({ ...missing, ...url }))).toEqual([]);
  });

  it("needs a model, and shows no key", () => {
    expect(checkProviders(config()).severity).toBe("note");
    expect(checkProviders(config({ PARLEY_DEMO: "false" })).severity).toBe("problem");
    const found = findingText(checkProviders(config({ ANTHROPIC_API_KEY: "sk-ant" })));
    expect(found).toContain("anthropic");
    expect(found).not.toContain("sk-ant");
  });

  it("is warned of when others can reach it without TLS or with a guessable token", () => {
    expect(checkExposure(config())).toEqual([]);
    const open = { PARLEY_HOST: "0.0.0.0", PARLEY_TOKEN: "short" };
    expect(bad(checkExposure(config(open)))).toHaveLength(2);
    const closed = { PARLEY_HOST: "0.0.0.0", PARLEY_BASE_URL: "https://p.test" };
    expect(checkExposure(config(closed))).toEqual([]);
  });
});

describe("servers", () => {
  let server: Server;
  let port: number;
  let status = 200;
  beforeEach(async () => {
    server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  it("are asked whether they are ready", async () => {
    const { context } = testCli();
    const folder = new DataFolder(dataDir, context.random);
    await folder.make();
    const taken = config({ PARLEY_PORT: String(port) });
    expect(bad(await checkServers(taken, context, folder))[0]).toContain("another program");

    const record = { token: null, version: "1", started_at: "2026-01-01T00:00:00.000Z" };
    await folder.announce({ ...record, url: `http://127.0.0.1:${port}` });
    expect(bad(await checkServers(taken, context, folder))).toEqual([]);
    status = 503;
    expect(bad(await checkServers(taken, context, folder))[0]).toContain("HTTP 503");
    await new Promise((resolve) => server.close(resolve));
    expect(bad(await checkServers(taken, context, folder))[0]).toContain("does not answer");
  });
});
