import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testCli } from "../../test/cli-context.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { hashToken } from "../domain/token.ts";
import { findLiveToken } from "../store/tokens.ts";
import { runCli } from "./program.ts";

let test: TestDatabase;
let empty: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  [test, empty] = await Promise.all([createTestDatabase(), createTestDatabase({ empty: true })]);
  dataDir = await mkdtemp(join(tmpdir(), "parley-cli-"));
});
afterAll(async () => {
  await Promise.all([test.drop(), empty.drop(), rm(dataDir, { recursive: true })]);
});

function urlOf({ settings }: TestDatabase): string {
  const { host, port, user, database } = settings;
  return `postgres://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

async function run(args: string[], database = test) {
  const env = { PARLEY_DATABASE_URL: urlOf(database), PARLEY_DATA_DIR: dataDir };
  const { context, out, err } = testCli(env);
  const code = await runCli(args, context);
  return { code, out: out(), err: err() };
}

describe("parley token", () => {
  it("makes, lists and revokes", async () => {
    const made = await run(["token", "create", "--principal", "alice", "--name", "laptop"]);
    expect(made.code).toBe(0);
    const token = made.out.trim();
    expect(token).toMatch(/^parley_[\w-]{43}$/);
    expect(made.err).not.toContain(token);
    const live = () => test.database.read((tx) => findLiveToken(tx, hashToken(token)));
    expect(await live()).toMatchObject({ principal_name: "alice", is_admin: false });

    const { out } = await run(["token", "list", "--principal", "alice"]);
    const [, line] = out.split("\n");
    expect(line).toMatch(/alice +laptop +\d{4}-\d\d-\d\d +never +never/);
    expect(out).not.toContain(token);

    const id = line!.split(" ")[0]!;
    expect(await run(["token", "revoke", id])).toMatchObject({ code: 0, out: `Revoked ${id}.\n` });
    expect(await live()).toBeUndefined();
    expect((await run(["token", "revoke", id])).code).toBe(1);
  });

  it("gives a token an end", async () => {
    const { out, err } = await run(["token", "create", "--principal", "bob", "--days", "2"]);
    expect(err).toMatch(/of bob, until \d{4}-/);
    const found = await test.database.read((tx) => findLiveToken(tx, hashToken(out.trim())));
    expect(found!.expires_in_ms! / 86_400_000).toBeCloseTo(2, 2);
  });

  it("says that the database is not set up, and that there is no such principal", async () => {
    const unset = await run(["token", "list"], empty);
    expect(unset.code).toBe(1);
    expect(unset.err).toContain('Run "parley migrate"');
    const unknown = await run(["token", "list", "--principal", "nobody"]);
    expect(unknown).toMatchObject({
      code: 1,
      err: "parley: There is no principal named nobody.\n",
    });
  });
});

describe("parley migrate", () => {
  it("tells what is to be done, does it, and does it once", async () => {
    const fresh = await createTestDatabase({ empty: true });
    try {
      expect((await run(["migrate", "--check"], fresh)).code).toBe(1);
      expect((await run(["migrate"], fresh)).out).toMatch(/^Applied migrations? 1/);
      expect((await run(["migrate"], fresh)).out).toBe("The database is up to date.\n");
      expect((await run(["migrate", "--check"], fresh)).code).toBe(0);
    } finally {
      await fresh.drop();
    }
  });
});

describe("parley doctor", () => {
  it("finds a good installation good", async () => {
    const { code, out } = await run(["doctor", "--port", "0"]);
    expect(out).toContain(`Database: PostgreSQL ${test.major}`);
    expect(out).toContain("up to date");
    expect(out).toContain("Nothing stands in the way.");
    expect(code).toBe(0);
  });

  it("speaks JSON, and never prints a secret", async () => {
    const { context, out } = testCli({
      PARLEY_DATABASE_URL: "postgres://u:hunter2@127.0.0.1:1/d",
      PARLEY_DATA_DIR: dataDir,
      OPENAI_API_KEY: "sk-hunter2",
      PARLEY_TOKEN: "hunter2-hunter2",
    });
    expect(await runCli(["doctor", "--json", "--port", "0"], context)).toBe(1);
    const findings = JSON.parse(out()) as { severity: string; subject: string; text: string }[];
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: "problem", subject: "Database" }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ subject: "Models", text: "configured: openai, openai-chat" }),
    );
    expect(out()).not.toContain("hunter2");
  });

  it("reports bad settings as findings", async () => {
    const { context, out } = testCli({ PARLEY_PROT: "1" });
    expect(await runCli(["doctor"], context)).toBe(1);
    expect(out()).toContain("Settings: PARLEY_PROT is not a setting. Did you mean PARLEY_PORT?");
  });
});
