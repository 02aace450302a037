import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { fails, hangs, says, type Script } from "../../test/scripted-models.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

describe("a failed attempt", () => {
  test("is announced, and tried again after its delay", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("overloaded", true, "half a "), says("the whole"));
    const id = await replica.create();
    const waiting = await cluster.until(id, (row) => row.retry_state !== null);
    expect(waiting.retry_state).toMatchObject({ attempt: 1, kind: "overloaded", provider: "test" });
    expect(waiting.generation_attempt).toBe(1);
    await replica.passTime(cluster.untilIdle(id));
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      parts: [{ type: "text", text: "the whole" }],
      episode: { generation_attempt: 2 },
    });
  });

  test("is checkpointed whole before its retry is announced", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("network", true, "said before it failed"), says("ok"));
    const id = await replica.create();
    await cluster.until(id, (row) => row.retry_state !== null);
    const rows = await cluster.rows<{ live_parts: unknown }>(
      `select live_parts from parley.episode_checkpoints where chat_id = '${id}'`,
    );
    expect(JSON.stringify(rows)).toContain("said before it failed");
  });

  test("that cannot be mended ends the turn; what was said stays for people only", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("auth", false, "some words "));
    const id = await replica.create();
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("error");
    expect(row.last_error).toMatchObject({ kind: "auth", provider: "test", retryable: false });
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      visibility: "user",
      finish_reason: "error",
      parts: [{ type: "text", text: "some words " }],
    });
  });

  test("counts by the row: the 25th is the last", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs());
    const id = await replica.create();
    await replica.models.request(1);
    await cluster.sql(`update parley.chats set generation_attempt = 24 where id = '${id}'`);
    // The row is as after 23 failures and a crash in the middle of the next attempt: the new owner's one is the last.
    await replica.kill();
    const next = await cluster.replica();
    next.models.enqueue(fails("server"));
    await cluster.bury(next);
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({ kind: "server" });
    expect(next.models.requests).toHaveLength(1);
  });
});

test("a reply without any part is tried twice more, then it is an error", async () => {
  const replica = await cluster.replica();
  const empty: Script = async () => "stop";
  replica.models.enqueue(empty, empty, empty, says("never"));
  const id = await replica.create();
  const row = await replica.passTime(cluster.untilIdle(id));
  expect(row.last_error).toMatchObject({ kind: "empty_response" });
  expect(replica.models.requests).toHaveLength(3);
});

test("a reply of which the content filter left nothing says so, and is not tried again", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(async () => "content_filter");
  const id = await replica.create();
  const row = await cluster.untilIdle(id);
  expect(row.last_error).toMatchObject({ kind: "content_filter", retryable: false });
  expect(replica.models.requests).toHaveLength(1);
});

test("words that cannot be stored do not keep the turn from ending", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(
    ...Array.from({ length: 10 }, (): Script => async (speaker) => {
      speaker.text("not for \u0000 PostgreSQL");
    }),
  );
  const id = await replica.create();
  const row = await replica.passTime(cluster.untilIdle(id));
  expect(row.last_error).toMatchObject({ kind: "internal" });
});

test("a message that asks for a model without a provider here ends in a configuration error", async () => {
  const replica = await cluster.replica();
  const id = await replica.create();
  await cluster.untilIdle(id);
  await replica.send(id, "again", "queue", { model: "elsewhere/model" });
  const row = await cluster.untilIdle(id);
  expect(row.last_error).toMatchObject({ kind: "config" });
  expect(row.last_error?.message).toContain("elsewhere/model");
});

test("an error that is ours ends the turn after five tries", async () => {
  const failures: string[] = [];
  const replica = await cluster.replica({
    observer: { taskFailed: (_chat, task) => void failures.push(task) },
  });
  const broken: Script = async () => {
    throw new TypeError("a bug");
  };
  replica.models.enqueue(broken, broken, broken, broken, broken);
  const id = await replica.create();
  const row = await replica.passTime(cluster.untilIdle(id));
  expect(row.last_error).toMatchObject({ kind: "internal", retryable: true });
  expect(failures).toHaveLength(5);
});

test("the step limit ends a turn that does not come to an end by itself", async () => {
  const replica = await cluster.replica({ worker: { stepsMax: 3 } });
  const pause: Script = async (speaker) => {
    speaker.text("more ");
    return "pause";
  };
  replica.models.enqueue(pause, pause, pause, pause, pause);
  const id = await replica.create();
  const row = await cluster.untilIdle(id);
  expect(row.last_error).toMatchObject({ kind: "step_limit" });
  expect(replica.models.requests).toHaveLength(3);
});
