import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestCaller, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { Figures, figureEveryMs } from "../telemetry/figures.ts";
import { FigureCounts } from "../telemetry/figure-counts.ts";
import { beatWorker, registerWorker } from "../store/workers.ts";

/** The operator's API: who may ask, and that it tells how things stand and nothing of what is said. */

const here = randomUUID();
const other = randomUUID();
const dead = randomUUID();

let db: TestDatabase;
let http: TestHttpServer;
let admin: TestCaller;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database, { workerId: here });
  admin = await http.newCaller({ isAdmin: true });
  for (const [id, capacity] of [
    [here, 4],
    [other, 2],
    [dead, 1],
  ] as const) {
    const worker = {
      id,
      capacity,
      relay_url: `ws://${capacity}`,
      version: "7",
      providers: ["demo"],
    };
    // oxlint-disable-next-line no-await-in-loop -- in this order they have started
    await db.database.write((tx) => registerWorker(tx, { ...worker, tools: [] }), {});
  }
  await http.world.sql(
    `update parley.workers set heartbeat_at = parley.now() - interval '1 hour' where id = $1`,
    [dead],
  );
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";
const get = (path: string, as: TestCaller | null = admin) => http.call("GET", api + path, { as });
const post = (path: string, as: TestCaller | null = admin) => http.call("POST", api + path, { as });

const drive = async (chatId: string, workerId: string): Promise<void> => {
  await http.world.sql(
    `update parley.chats set worker_id = $2, runner_id = gen_random_uuid() where id = $1`,
    [chatId, workerId],
  );
};

const beat = async (workerId: string, figures: string | null) =>
  await db.database.write((tx) =>
    beatWorker(tx, {
      worker_id: workerId,
      draining: false,
      lock_key: null,
      reset_health: false,
      beat_ms: 1_000,
      figures,
    }),
  );

describe("who may ask", () => {
  test.each([
    ["GET", `/replicas`],
    ["GET", `/replicas/${here}/metrics`],
    ["POST", `/replicas/${here}/drain`],
    ["GET", `/replicas/${randomUUID()}/metrics`],
    ["GET", `/operator/chats/${randomUUID()}`],
  ])("%s %s: administrators, and nobody else", async (method, path) => {
    const stranger = await http.call(method, api + path, { as: null });
    expect([stranger.status, stranger.body.code]).toEqual([401, "unauthorized"]);
    const user = await http.call(method, api + path);
    expect([user.status, user.body.code]).toEqual([403, "forbidden"]);
  });

  test("a user is refused his own chat, too", async () => {
    const { id } = await chatIn(http.world, "W");
    expect((await get(`/operator/chats/${id}`, http.caller)).status).toBe(403);
  });

  test("a refused drain asks for nothing", async () => {
    await post(`/replicas/${here}/drain`, http.caller);
    expect(await beat(here, null)).toEqual({ drain: false });
  });
});

describe("the replicas", () => {
  test("are told with what each runs, the chats by state, and what waits", async () => {
    const running = await chatIn(http.world, "R1");
    const asking = await chatIn(http.world, "A0");
    await chatIn(http.world, "E0");
    await chatIn(http.world, "XW");
    const lonely = await chatIn(http.world, "R0");
    await drive(running.id, other);
    await drive(asking.id, other);
    await http.world.sql(
      `update parley.chats set worker_id = null, runner_id = null where id = $1`,
      [lonely.id],
    );
    const { status, body } = await get("/replicas");
    expect(status).toBe(200);
    expect(body.replicas).toMatchObject([
      { id: here, answers: true, state: "alive", capacity: 4, working: 0, owned: 0, chats: [] },
      { id: other, answers: false, state: "alive", capacity: 2, working: 1, owned: 2 },
      { id: dead, answers: false, state: "dead" },
    ]);
    const { chats } = body.replicas[1];
    expect(chats).toHaveLength(2);
    expect(chats.find(({ id }: { id: string }) => id === running.id)).toMatchObject({
      kind: "root",
      status: "running",
      works: true,
      queue_length: 1,
      runnable_ms: expect.any(Number),
    });
    expect(chats.find(({ id }: { id: string }) => id === asking.id)).toMatchObject({
      status: "requires_action",
      works: false,
    });
    expect(body.chats).toMatchObject({ running: 2, requires_action: 1, error: 1, archived: 1 });
    expect(body.backlog).toMatchObject({ queued_messages: 1, oldest_ms: expect.any(Number) });
    expect(body.slots).toMatchObject({ root: { used: 1, max: 7 }, sub_agent: { max: null } });
  });

  test("have figures that any of them tells", async () => {
    const counts = new FigureCounts();
    const figures = new Figures(
      {
        take: () => counts.take(),
        statements: () => 5,
        parts: () => 0,
        pool: () => ({ size: 8, used: 1, waiting: 0 }),
      },
      0,
    );
    expect((await get(`/replicas/${other}/metrics`)).body).toMatchObject({
      replica_id: other,
      age_ms: null,
      turns: [],
    });
    counts.turn();
    counts.error("overloaded");
    await beat(other, JSON.stringify(figures.take(figureEveryMs)));
    // A beat without new ones leaves them as they are.
    await beat(other, null);
    const { status, body } = await get(`/replicas/${other}/metrics`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      replica_id: other,
      turns: [0.2],
      pool_size: 8,
      errors: { overloaded: [1] },
      age_ms: expect.any(Number),
    });
  });

  test("of another version may write figures that nobody here understands", async () => {
    await beat(other, JSON.stringify({ turns: "many" }));
    const { status, body } = await get(`/replicas/${other}/metrics`);
    expect([status, body.turns, body.age_ms]).toEqual([200, [], null]);
  });

  test.each([randomUUID(), "no-id"])("that are unknown (%s) are not there", async (id) => {
    const answers = [await get(`/replicas/${id}/metrics`), await post(`/replicas/${id}/drain`)];
    for (const { status, body } of answers) expect([status, body.code]).toEqual([404, "not_found"]);
  });
});

describe("a drain", () => {
  test("is told to the worker with its next beat; asking twice is as asking once", async () => {
    const first = await post(`/replicas/${other}/drain`);
    expect(first.status).toBe(202);
    expect(first.body).toEqual({ replica_id: other, drain_requested_at: expect.any(String) });
    expect((await post(`/replicas/${other}/drain`)).body).toEqual(first.body);
    expect(await beat(other, null)).toEqual({ drain: true });
    expect(await beat(here, null)).toEqual({ drain: false });
    expect((await get("/replicas")).body.replicas[1]).toMatchObject({
      id: other,
      state: "draining",
      drain_requested_at: first.body.drain_requested_at,
    });
  });

  test("of a dead one is refused", async () => {
    expect((await post(`/replicas/${dead}/drain`)).status).toBe(404);
  });
});

describe("a chat", () => {
  test("of anybody is told with lease, versions and ledger, and without a word of what is in it", async () => {
    const { id, chat } = await chatIn(http.world, "A1", { calls: ["client", "approval"] });
    await drive(id, here);
    await http.world.sql(`update parley.chats set title = 'the secret title' where id = $1`, [id]);
    const { status, body, text } = await get(`/operator/chats/${id}`);
    expect(status).toBe(200);
    expect(body.chat).toMatchObject({
      id,
      state: "A1",
      status: "requires_action",
      owner_id: http.world.owner,
      generation_attempt: chat.generation_attempt,
      queue_length: 1,
      versions: { snapshot: chat.snapshot_version, history: chat.history_version },
    });
    expect(body.lease).toMatchObject({
      worker_id: here,
      runner_id: expect.any(String),
      alive: true,
    });
    expect(body.slot).toBe(null);
    expect(body.ledger.map(({ state }: { state: string }) => state)).toEqual(["intent", "intent"]);
    const messages = await http.call("GET", `${api}/chats/${id}/messages`);
    const said = JSON.stringify(messages.body).matchAll(
      /"(?:text|input|output|content)":"?([^",}]{4,})/g,
    );
    for (const [, words] of said) expect(text).not.toContain(words);
    expect(text).not.toContain("secret title");
  });

  test("whose worker has died is told so", async () => {
    const { id } = await chatIn(http.world, "R0");
    await drive(id, dead);
    const { body } = await get(`/operator/chats/${id}`);
    expect(body.lease).toMatchObject({ worker_id: dead, alive: false });
    expect(body.slot).toMatchObject({ kind: "root" });
  });

  test.each([randomUUID(), "no-id"])("that is unknown (%s) is not there", async (id) => {
    const { status, body } = await get(`/operator/chats/${id}`);
    expect([status, body.code]).toEqual([404, "chat_not_found"]);
  });
});
