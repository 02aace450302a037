import { randomBytes } from "node:crypto";
import { Socket } from "node:net";
import { createClient } from "@parley/client";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { loadConfig } from "../src/config.ts";
import { hashToken } from "../src/domain/token.ts";
import { createEngine } from "../src/engine.ts";
import type { Replica } from "../src/engine/replica.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { systemRandom } from "../src/lib/random.ts";
import { insertPrincipal } from "../src/store/principals.ts";
import { insertToken } from "../src/store/tokens.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { gate } from "./provider-server.ts";
import { ScriptedModels } from "./scripted-models.ts";
import { databaseUrl } from "./server-process.ts";

/**
 * What a live part costs, counted where it leaves the process: writes, frames and bytes, with one subscriber and with
 * many, here and on another replica. No time is measured, so that the figures are the same on every machine.
 */

const random = systemRandom(systemClock);
const parts = 50;
/** A part's envelope, with its cursor, may weigh this much beside its text. */
const envelopeBytesMax = 250;
/** What the relay adds to the text of one part, where each comes in a turn of its own. */
const relayBytesMax = 110;

let close: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  // oxlint-disable-next-line no-await-in-loop
  for (const each of close.toReversed()) await each();
  close = [];
});

async function replica(
  db: TestDatabase,
  models: ScriptedModels,
  env: Record<string, string>,
): Promise<Replica> {
  const { config } = loadConfig({
    env: {
      PARLEY_DATABASE_URL: databaseUrl(db),
      PARLEY_PORT: "0",
      PARLEY_TITLE_MODEL: "off",
      ...env,
    },
    platform: process.platform,
    homeDir: "/nonexistent",
  });
  const engine = await createEngine(config, {
    connection: db.settings,
    logger: silentLogger,
    clock: new ManualClock(),
    random,
    version: "test",
    models,
  });
  await engine.start();
  close.push(async () => await engine.stop());
  return engine;
}

async function newToken(db: TestDatabase): Promise<string> {
  const token = `parley_${randomBytes(32).toString("base64url")}`;
  await db.database.write(async (tx) => {
    const id = random.uuid();
    await insertPrincipal(tx, { id, name: "somebody", is_admin: false });
    await insertToken(tx, {
      id: random.uuid(),
      principal_id: id,
      name: "parts",
      token_hash: hashToken(token),
      expires_in_seconds: null,
    });
  });
  return token;
}

/** Subscribers that count nothing but the parts that they get. */
class Audience {
  readonly #sockets: WebSocket[] = [];
  #parts = 0;
  #onPart: () => void = () => {};

  async join(url: string, token: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const socket = new WebSocket(url.replace("http", "ws"), {
        headers: { authorization: `Bearer ${token}` },
      });
      this.#sockets.push(socket);
      const ready = Promise.withResolvers<void>();
      socket.on("error", ready.reject);
      socket.on("message", (data: Buffer) => {
        for (const { type } of JSON.parse(data.toString("utf8")) as { type: string }[]) {
          if (type === "ready") ready.resolve();
          if (type !== "message_part") continue;
          this.#parts += 1;
          this.#onPart();
        }
      });
      // oxlint-disable-next-line no-await-in-loop
      await ready.promise;
    }
  }

  async got(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onPart = () => {
        if (this.#parts === count) resolve();
      };
      this.#onPart();
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}

type Written = string | Buffer;

/** What is written to any socket of the process: frames of streams, and of the relay. Strings are in ASCII. */
function watchWrites(): { streams: Written[]; relayed: Written[] } {
  const streams: Written[] = [];
  const relayed: Written[] = [];
  const { write } = Socket.prototype;
  vi.spyOn(Socket.prototype, "write").mockImplementation(function (this: Socket, ...args) {
    const [chunk] = args as unknown[];
    if (typeof chunk === "string" || Buffer.isBuffer(chunk)) {
      if (chunk.includes('"type":"message_part"')) streams.push(chunk);
      else if (chunk.includes('"kind":"parts"')) relayed.push(chunk);
    }
    return Reflect.apply(write, this, args);
  });
  return { streams, relayed };
}

test.each([
  { subscribers: 1, elsewhere: false, text: "lorem ipsum dolor sit amet" },
  // Not a string on the wire but a buffer, so that it shows whether all got the same one.
  { subscribers: 20, elsewhere: false, text: "lørem ipsum dolor sit amet" },
  { subscribers: 20, elsewhere: true, text: "lørem ipsum dolor sit amet" },
])(
  "a part is framed once and written once per subscriber: $subscribers, elsewhere: $elsewhere",
  async ({ subscribers, elsewhere, text }) => {
    const db = await createTestDatabase();
    close.push(async () => await db.drop());
    const models = new ScriptedModels();
    const owner = await replica(db, models, {});
    const edge = elsewhere ? await replica(db, models, { PARLEY_CAPACITY: "0" }) : owner;
    const token = await newToken(db);
    const start = gate();
    models.enqueue(async (speaker) => {
      await speaker.wait(start.promise);
      for (let i = 0; i < parts; i++) {
        speaker.live({ type: "text", index: 0, delta: text });
        // Each in a turn of its own, as from a network.
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setImmediate(resolve));
      }
      return "stop";
    });
    const client = createClient({ baseUrl: owner.url, token });
    const { chat } = await client.createChat({ content: "Hello.", model: "test/model" });
    const audience = new Audience();
    close.push(async () => audience.close());
    await audience.join(`${edge.url}/api/v1/chats/${chat.id}/stream`, token, subscribers);
    const written = watchWrites();
    start.open();
    await audience.got(parts * subscribers);

    const { streams, relayed } = written;
    const textBytes = Buffer.byteLength(text);
    expect(streams).toHaveLength(parts * subscribers);
    expect(new Set(streams).size).toBe(parts);
    const bytes = streams.reduce((sum, frame) => sum + frame.length, 0) / streams.length;
    expect(bytes - textBytes).toBeLessThan(envelopeBytesMax);
    const relayedBytes = relayed.reduce((sum, frame) => sum + frame.length, 0) / parts;
    // Once over the link, however many follow.
    if (elsewhere) expect(relayedBytes - textBytes).toBeLessThan(relayBytesMax);
    else expect(relayed).toHaveLength(0);
  },
);
