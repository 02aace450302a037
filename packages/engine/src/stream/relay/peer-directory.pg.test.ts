import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../../test/postgres.ts";
import { readRelayUrl } from "../../store/relay-peers.ts";
import { registerWorker } from "../../store/workers.ts";
import { CachedPeerDirectory } from "./peer-directory.ts";

let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
});

afterAll(async () => {
  await test.drop();
});

async function register(relay_url: string | null): Promise<string> {
  const id = randomUUID();
  await test.database.write((tx) =>
    registerWorker(tx, { id, relay_url, version: "test", capacity: 1, providers: [], tools: [] }),
  );
  return id;
}

describe("the directory of peers", () => {
  it("finds where a worker takes links, once", async () => {
    let reads = 0;
    const directory = new CachedPeerDirectory(async (workerId) => {
      reads += 1;
      return await readRelayUrl(test.database, workerId);
    });
    const id = await register("ws://10.0.0.1:7421");
    expect(await directory.relayUrl(id)).toBe("ws://10.0.0.1:7421");
    expect(await directory.relayUrl(id)).toBe("ws://10.0.0.1:7421");
    expect(reads).toBe(1);
  });

  it("looks again for one that was not there, or takes no links", async () => {
    const directory = new CachedPeerDirectory((workerId) => readRelayUrl(test.database, workerId));
    expect(await directory.relayUrl(await register(null))).toBeNull();
    const id = randomUUID();
    expect(await directory.relayUrl(id)).toBeNull();
    await test.database.write((tx) =>
      registerWorker(tx, {
        id,
        relay_url: "ws://late",
        version: "test",
        capacity: 1,
        providers: [],
        tools: [],
      }),
    );
    expect(await directory.relayUrl(id)).toBe("ws://late");
  });

  it("forgets those of long ago", async () => {
    const asked: string[] = [];
    const directory = new CachedPeerDirectory((workerId) => {
      asked.push(workerId);
      return Promise.resolve(`ws://${workerId}`);
    });
    for (let i = 0; i < 1_001; i++) await directory.relayUrl(`w${i}`);
    await directory.relayUrl("w1000");
    expect(asked).toHaveLength(1_001);
    await directory.relayUrl("w0");
    expect(asked).toHaveLength(1_002);
  });
});
