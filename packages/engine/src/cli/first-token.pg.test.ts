import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { hashToken } from "../domain/token.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { findLiveToken, findToken, revokeToken } from "../store/tokens.ts";
import { DataFolder } from "./data-folder.ts";
import { ensureFirstToken, type FirstTokenOptions } from "./first-token.ts";

let test: TestDatabase;
let path: string;
let options: FirstTokenOptions;
const random = systemRandom(systemClock);

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "parley-token-"));
  const folder = new DataFolder(path, random);
  await folder.make();
  options = { database: test.database, folder, random, configured: null, embedded: true };
});
afterEach(async () => {
  await test.database.write((tx) => tx.exec("truncate parley.principals cascade"));
  await rm(path, { recursive: true, force: true });
});

const live = (token: string) =>
  test.database.read((tx) => findLiveToken(tx, hashToken(token)), { operation: "test" });

async function revoke(token: string): Promise<void> {
  await test.database.write(async (tx) => {
    const row = await findToken(tx, hashToken(token));
    expect(await revokeToken(tx, row!.principal_id, row!.id)).toBe(true);
  });
}

describe("the first-use token", () => {
  it("is made at the first start, kept, and good for an administrator", async () => {
    const token = await ensureFirstToken(options);
    expect(token).toMatch(/^parley_[\w-]{43}$/);
    expect(await live(token!)).toMatchObject({ principal_name: "admin", is_admin: true });
    expect(await ensureFirstToken(options)).toBe(token);
  });

  it("is the same for all that start at once", async () => {
    const tokens = await Promise.all([1, 2, 3, 4].map(() => ensureFirstToken(options)));
    expect(new Set(tokens).size).toBe(1);
    const [{ n } = { n: 0 }] = await test.database.one<{ n: number }>({
      name: "test.principals",
      text: "select count(*)::int as n from parley.principals",
    });
    expect(n).toBe(1);
  });

  it("is good again on a new database", async () => {
    const token = await ensureFirstToken(options);
    await test.database.write((tx) => tx.exec("truncate parley.principals cascade"));
    expect(await ensureFirstToken(options)).toBe(token);
    expect(await live(token!)).toBeDefined();
  });

  it("is another one after it was revoked", async () => {
    const first = await ensureFirstToken(options);
    await revoke(first!);
    const second = await ensureFirstToken(options);
    expect(second).not.toBe(first);
    expect(await live(first!)).toBeUndefined();
    expect(await live(second!)).toBeDefined();
  });

  it("is not made a second time for a shared database by whoever starts a server", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "parley-token-"));
    const shared = { ...options, embedded: false };
    expect(await ensureFirstToken(shared)).not.toBeNull();
    const folder = new DataFolder(elsewhere, random);
    await folder.make();
    expect(await ensureFirstToken({ ...shared, folder })).toBeNull();
    await rm(elsewhere, { recursive: true });
  });

  it("is what PARLEY_TOKEN says, and only the newest that it said", async () => {
    const say = (configured: string) => ensureFirstToken({ ...options, configured });
    expect(await say("first-configured")).toBe("first-configured");
    expect(await say("second-configured")).toBe("second-configured");
    expect(await live("first-configured")).toBeUndefined();
    expect(await live("second-configured")).toMatchObject({ is_admin: true });
    await say("first-configured");
    expect(await live("first-configured")).toBeDefined();
    expect(await live("second-configured")).toBeUndefined();
    expect(await options.folder.readToken()).toBeNull();
  });
});
