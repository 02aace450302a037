import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createDatabaseProxy, type DatabaseProxy } from "../../test/database-proxy.ts";
import { eventually } from "../../test/eventually.ts";
import { Cluster, type Replica } from "../../test/replica.ts";

/** What a turn asks first is ready before its commit is known, and leaves with it. */

let cluster: Cluster;
let proxy: DatabaseProxy;
let replica: Replica;
let chat: string;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => {
  proxy.restore();
  await cluster.reset();
  await proxy.close();
});
afterAll(async () => await cluster.drop());

/** A chat whose first turn is over, on a replica that a proxy parts from its database. */
async function begin(): Promise<void> {
  proxy = await createDatabaseProxy(cluster.settings);
  replica = await cluster.replica({ settings: proxy.settings });
  chat = await replica.create("1");
  await cluster.untilIdle(chat);
  await eventually("the first turn is over here, too", () => replica.worker.stats().runners === 0);
  replica.models.prepared.length = 0;
}

/** Does something in the moment in which the next call is ready: the commit is not answered by then. */
function whenReady(work: () => void): Promise<void> {
  const { models } = replica;
  const prepare = models.prepare.bind(models);
  return new Promise((resolve) => {
    models.prepare = (request) => {
      models.prepare = prepare;
      const call = prepare(request);
      work();
      resolve();
      return call;
    };
  });
}

test("nothing is sent while the commit is not known, and what was ready is what is asked", async () => {
  await begin();
  const ready = whenReady(() => proxy.goSilent());
  const sent = replica.send(chat, "2");
  await ready;
  // Others on the same loop get their answers meanwhile: this one waits for its own.
  await cluster.chat(chat);
  expect(replica.models.prepared).toMatchObject([{ isSent: false, isDropped: false }]);
  expect(replica.models.requests).toHaveLength(1);
  proxy.restore();
  await sent;
  await cluster.untilIdle(chat);
  const [call] = replica.models.prepared;
  expect(call).toMatchObject({ isSent: true, isDropped: false });
  expect(replica.models.requests[1]).toMatchObject({ ...call?.request });
  expect(call?.request.messages).toHaveLength(3);
});

test("a commit that fails drops it", async () => {
  await begin();
  const ready = whenReady(() => proxy.goAway());
  await expect(replica.send(chat, "2")).rejects.toMatchObject({
    code: expect.stringMatching(/^(database|commit)_/),
  });
  await ready;
  expect(replica.models.prepared).toMatchObject([{ isSent: false, isDropped: true }]);
  expect(replica.models.requests).toHaveLength(1);
});

test("a commit whose answer was lost sends it when the row is read", async () => {
  await begin();
  proxy.loseNextCommitAnswer();
  await expect(replica.send(chat, "2")).rejects.toMatchObject({ code: "commit_unknown" });
  await replica.passTime(cluster.untilIdle(chat));
  expect(replica.models.prepared).toMatchObject([{ isSent: true, isDropped: false }]);
  expect(replica.models.requests).toHaveLength(2);
});

test("where a budget holds the chat it is dropped, and not made again before that is lifted", async () => {
  await begin();
  const { prepared, requests } = replica.models;
  const turn = async (content: string): Promise<void> => {
    await replica.send(chat, content);
    await cluster.untilIdle(chat);
    await eventually("the turn is over here, too", () => replica.worker.stats().runners === 0);
  };
  await cluster.sql(
    `update parley.principals set budget = '{"usd_micros": null, "tokens": 1000000}'`,
  );
  await turn("2");
  expect(prepared).toMatchObject([{ isSent: false, isDropped: true }]);
  expect(requests[1]).toHaveProperty("output_tokens_max");
  await turn("3");
  expect(prepared).toHaveLength(1);
  await cluster.sql("update parley.principals set budget = null");
  await turn("4");
  expect(prepared).toHaveLength(1);
  await turn("5");
  expect(prepared).toHaveLength(2);
  expect(prepared[1]).toMatchObject({ isSent: true, isDropped: false });
});
