import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chatIn, reply, text } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestAnswer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { finishInterruption } from "../machine/transitions/finish-interruption.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { finishTurn } from "../machine/transitions/finish-turn.ts";

/** Stop is acknowledged when it is durable, and `wait` gives what was kept. */

let db: TestDatabase;
let http: TestHttpServer;
const clock = new ManualClock();
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database, { clock });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});
beforeEach(() => void http.commits.splice(0));

const interrupt = (id: string, body?: unknown, query = ""): Promise<TestAnswer> =>
  http.call("POST", `/api/v1/chats/${id}/interrupt${query}`, body === undefined ? {} : { body });

const partial = {
  role: "assistant",
  parts: text("I was about to"),
  finish_reason: "interrupted",
} as const;

/** The worker's part. */
async function finish(id: string, said = true): Promise<void> {
  await http.machine.update(id, (bundle) =>
    finishInterruption(bundle, { partial: said ? [partial] : [] }),
  );
}

describe("a running turn", () => {
  test("is stopped, durably, before the answer, with no stream open anywhere (C01)", async () => {
    const { id } = await chatIn(http.world, "R0");
    const answer = await interrupt(id);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ chat: { status: "interrupting" }, message: null });
    expect(http.commits).toHaveLength(1);
  });

  test.each(["R0", "R1", "A0", "A1"] as const)("from %s, with hold or without", async (state) => {
    for (const hold of [false, true]) {
      const { id, turn } = await chatIn(http.world, state);
      const answer = await interrupt(id, { hold, turn });
      expect(answer.body.chat.status).toBe("interrupting");
      const [row] = await http.world.sql(`select hold from parley.chats where id = $1`, [id]);
      expect(row).toEqual({ hold });
    }
  });

  test("is left alone where another one is meant", async () => {
    const { id, turn } = await chatIn(http.world, "R0");
    const answer = await interrupt(id, { turn: turn + 1 });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ chat: { status: "running" }, message: null });
    const waiting = await interrupt(id, { turn: turn + 1 }, "?wait=true");
    expect(waiting.body.chat.status).toBe("running");
    expect(http.commits).toEqual([]);
  });
});

describe("wait", () => {
  test("gives the kept partial as soon as it is committed here (C04)", async () => {
    const { id } = await chatIn(http.world, "R0");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await finish(id);
    const answer = await answering;
    expect(answer.status).toBe(200);
    expect(answer.body.chat.status).toBe("waiting");
    expect(answer.body.message).toMatchObject({ finish_reason: "interrupted", role: "assistant" });
    expect(answer.body.message.parts).toEqual(partial.parts);
  });

  test("finds it by looking where it is committed elsewhere and no hint comes", async () => {
    const { id } = await chatIn(http.world, "R0");
    const other = await startHttpServer(db.database);
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await other.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [partial] }));
    await other.close();
    await clock.advance(500);
    expect((await answering).body.message.parts).toEqual(partial.parts);
  });

  test("gives null where nothing had been said", async () => {
    const { id } = await chatIn(http.world, "R0");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await finish(id, false);
    const answer = await answering;
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ chat: { status: "waiting" }, message: null });
  });

  test("is not fooled by the next turn", async () => {
    const { id } = await chatIn(http.world, "R1");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await finish(id);
    const answer = await answering;
    expect(answer.body.chat.status).toBe("running");
    expect(answer.body.message.parts).toEqual(partial.parts);
  });

  test("does not take the next turn's partial for this one's", async () => {
    const { id } = await chatIn(http.world, "R1");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    // Everything happens before the next look: nothing was said, the queued message runs and is stopped too.
    const other = await startHttpServer(db.database);
    await other.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [] }));
    await other.call("POST", `/api/v1/chats/${id}/interrupt`, { as: http.caller });
    await other.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [partial] }));
    await other.close();
    await clock.advance(500);
    expect((await answering).body).toMatchObject({ chat: { status: "waiting" }, message: null });
  });

  test("answers 202 after ten seconds", async () => {
    const { id } = await chatIn(http.world, "R0");
    const answering = interrupt(id, {}, "?wait=true");
    for (let waited = 0; waited < 10_000; waited += 500) {
      await clock.waitForTimer("http.interrupt_wait");
      await clock.advance(500);
    }
    const answer = await answering;
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ chat: { status: "interrupting" }, message: null });
  });

  test("ends with the chat", async () => {
    const { id } = await chatIn(http.world, "R0");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await http.call("DELETE", `/api/v1/chats/${id}`);
    expect((await answering).body.code).toBe("chat_not_found");
  });

  test("counts for a stop that is under way already", async () => {
    const { id } = await chatIn(http.world, "I0");
    const answering = interrupt(id, {}, "?wait=true");
    await clock.waitForTimer("http.interrupt_wait");
    await finish(id);
    expect((await answering).body.message.parts).toEqual(partial.parts);
  });

  test("repeated with the same key waits too, and stops nothing more", async () => {
    const { id } = await chatIn(http.world, "R1");
    const path = `/api/v1/chats/${id}/interrupt?wait=true`;
    const headers = { "idempotency-key": `wait-${id}` };
    const first = http.call("POST", path, { headers });
    await clock.waitForTimer("http.interrupt_wait");
    await finish(id);
    const answer = await first;
    const again = await http.call("POST", path, { headers });
    expect(again.status).toBe(200);
    expect(again.body.message).toEqual(answer.body.message);
    expect((await http.call("GET", `/api/v1/chats/${id}`)).body.status).toBe("running");
  });
});

describe("a chat that does not run", () => {
  test.each(["W", "E0", "E1", "XW", "I0", "I1"] as const)(
    "%s is answered with its state, and nothing happens",
    async (state) => {
      const { id, chat } = await chatIn(http.world, state);
      const answer = await interrupt(id);
      expect(answer.status).toBe(200);
      expect(answer.body.message).toBe(null);
      expect(answer.body.chat).toMatchObject({
        status: chat.status,
        snapshot_version: chat.snapshot_version,
      });
      expect(http.commits).toEqual([]);
    },
  );

  test("a stop that is under way can be told to hold the queue, once", async () => {
    const { id } = await chatIn(http.world, "I1");
    const held = await interrupt(id, { hold: true });
    const again = await interrupt(id, { hold: true });
    expect(again.body.chat.snapshot_version).toBe(held.body.chat.snapshot_version);
    await finish(id);
    const { body } = await http.call("GET", `/api/v1/chats/${id}`);
    expect(body).toMatchObject({ status: "error", last_error: { kind: "stopped" } });
  });

  test("shows what was kept of the turn that was stopped last", async () => {
    const { id, turn } = await chatIn(http.world, "R0");
    await interrupt(id);
    await finish(id);
    for (const body of [{}, { turn }]) {
      expect((await interrupt(id, body)).body.message.parts).toEqual(partial.parts);
    }
    expect((await interrupt(id, { turn: turn - 1 })).body.message).toBe(null);
    await http.call("POST", `/api/v1/chats/${id}/messages`, { body: { content: "go on" } });
    await http.machine.update(id, async (bundle) => {
      await commitStep(bundle, { messages: [reply("done")] });
      await finishTurn(bundle);
    });
    expect((await interrupt(id)).body.message).toBe(null);
  });
});
