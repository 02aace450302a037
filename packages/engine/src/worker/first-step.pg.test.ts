import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createDatabaseProxy } from "../../test/database-proxy.ts";
import { eventually } from "../../test/eventually.ts";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, fails, hangs, says } from "../../test/scripted-models.ts";
import { diff } from "../postgres/stats.ts";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { defineTool } from "../tools/tool.ts";

/** A turn begins with its message, where nothing stands between; else it begins in a transaction of the worker's. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** Write transactions of the worker's own that begin a step. */
async function beginnings(replica: Replica, work: () => Promise<void>): Promise<number> {
  const before = replica.database.stats.snapshot();
  await work();
  const { operations } = diff(before, replica.database.stats.snapshot());
  return operations["worker.begin"]?.writes ?? 0;
}

const promptsOf = ({ models }: Replica): string[][] =>
  models.requests.map(({ messages }) =>
    messages.map(({ role, parts }) => {
      const text = parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(" ");
      return `${role}: ${text}`;
    }),
  );

async function historyOf(id: string): Promise<string[]> {
  const rows = await cluster.history(id);
  return rows.map(({ role, parts }) => {
    const text = parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(" ");
    return `${role}: ${text}`;
  });
}

async function turn(replica: Replica, id: string, content: string): Promise<void> {
  await replica.send(id, content);
  await cluster.untilIdle(id);
}

async function chatWithTurns(replica: Replica, turns = 1): Promise<string> {
  const id = await replica.create("1");
  await cluster.untilIdle(id);
  for (let n = 2; n <= turns; n++) await turn(replica, id, String(n));
  return id;
}

describe("a turn begins with its message", () => {
  test("in a new chat, and in one whose last turn ended here: the attempt is there when the message is", async () => {
    const replica = await cluster.replica();
    const began = await beginnings(replica, async () => {
      const id = await chatWithTurns(replica, 3);
      expect(await historyOf(id)).toHaveLength(6);
    });
    expect(began).toBe(0);
    const entered = replica.commits.filter(({ messages }) => messages[0]?.role === "user");
    expect(entered.map(({ chat }) => chat.generation_attempt)).toEqual([1, 1, 1]);
    expect(promptsOf(replica).at(-1)).toEqual([
      "user: 1",
      "assistant: ok",
      "user: 2",
      "assistant: ok",
      "user: 3",
    ]);
  });

  test("and is tried again as another attempt where the model fails", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("overloaded", true), says("at last"));
    const id = await replica.create("1");
    await replica.passTime(cluster.untilIdle(id));
    const [, reply] = await cluster.history(id);
    expect(reply?.episode).toEqual({ history_version: 1, generation_attempt: 2 });
  });

  test("after a turn with tools, too", async () => {
    const tool = defineTool({ name: "t", description: "", input: {}, execute: () => "x" });
    const replica = await cluster.replica({ tools: [tool] });
    replica.models.enqueue(calls(["c1", "t"]), says("used"));
    const id = await chatWithTurns(replica);
    expect(await beginnings(replica, async () => await turn(replica, id, "2"))).toBe(0);
    expect(replica.models.requests.at(-1)?.used_call_ids).toEqual(new Set(["c1"]));
    expect(promptsOf(replica).at(-1)).toHaveLength(5);
  });
});

describe("a turn begins in a transaction of its own", () => {
  test("where history has changed elsewhere: never from a prompt that is out of date", async () => {
    const [here, elsewhere] = [await cluster.replica(), await cluster.replica()];
    elsewhere.models.enqueue(says("from elsewhere"));
    const id = await chatWithTurns(here);
    await turn(elsewhere, id, "2");
    expect(await beginnings(here, async () => await turn(here, id, "3"))).toBe(1);
    expect(promptsOf(here).at(-1)).toEqual((await historyOf(id)).slice(0, -1));
  });

  test("where history was edited, and after that it is known again", async () => {
    const replica = await cluster.replica();
    const id = await chatWithTurns(replica, 2);
    const [first] = await cluster.history(id);
    const edit = async (): Promise<void> => {
      const input = {
        message_id: first?.id ?? 0,
        parts: [{ type: "text" as const, text: "edited" }],
        client_id: null,
        created_by: null,
        keep_queue: false,
      };
      await replica.machine.update(id, async (bundle) => await editMessage(bundle, input), {
        acquire: true,
      });
      await cluster.untilIdle(id);
    };
    expect(await beginnings(replica, edit)).toBe(1);
    expect(promptsOf(replica).at(-1)).toEqual(["user: edited"]);
    expect(await beginnings(replica, async () => await turn(replica, id, "3"))).toBe(0);
    expect(promptsOf(replica).at(-1)).toEqual(["user: edited", "assistant: ok", "user: 3"]);
  });

  test("where a budget holds the chat: the call's worst case is reserved first", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("1", { budget: { usd_micros: null, tokens: 1_000_000 } });
    await cluster.untilIdle(id);
    expect(await beginnings(replica, async () => await turn(replica, id, "2"))).toBe(1);
    await cluster.sql(`update parley.principals set budget = '{"usd_micros": null, "tokens": 0}'`);
    const other = await replica.create("over");
    const { last_error } = await cluster.untilState(other, "E0");
    await cluster.sql(`update parley.principals set budget = null`);
    expect(last_error).toMatchObject({ kind: "budget_exceeded" });
  });

  test("where messages are queued: the oldest comes first", async () => {
    const replica = await cluster.replica();
    const id = await chatWithTurns(replica);
    replica.models.enqueue(hangs("so far"));
    await replica.send(id, "2");
    await replica.models.request(2);
    await replica.send(id, "3");
    await replica.interrupt(id, true);
    await cluster.untilState(id, "E1");
    replica.models.enqueue(says("to 3"), says("to 4"));
    expect(await beginnings(replica, async () => await turn(replica, id, "4"))).toBe(1);
    expect((await historyOf(id)).slice(-4)).toEqual([
      "user: 3",
      "assistant: to 3",
      "user: 4",
      "assistant: to 4",
    ]);
  });

  test("where the context is to be compacted first", async () => {
    const replica = await cluster.replica();
    replica.models.windows.set("test/model", 1_000);
    replica.models.enqueue(
      async (speaker) => {
        speaker.text("a reply that goes");
        speaker.usage = { input_tokens: 900, output_tokens: 0 };
      },
      says("in short"),
      says("after"),
    );
    const id = await chatWithTurns(replica);
    expect(await beginnings(replica, async () => await turn(replica, id, "2"))).toBe(1);
    expect((await cluster.history(id)).some((message) => message.is_boundary)).toBe(true);
    // What was compacted is remembered as it is now.
    expect(await beginnings(replica, async () => await turn(replica, id, "3"))).toBe(0);
    expect(promptsOf(replica).at(-1)?.join()).not.toContain("a reply that goes");
  });

  test("where another replica takes the chat", async () => {
    const here = await cluster.replica();
    const id = await chatWithTurns(here);
    await here.worker.drain(1_000);
    const other = await cluster.replica();
    await turn(here, id, "2");
    expect(promptsOf(other)).toEqual([["user: 1", "assistant: ok", "user: 2"]]);
    expect(here.models.requests).toHaveLength(1);
  });
});

describe("between the commit and the call", () => {
  test("an interruption leaves the message, and no reply", async () => {
    const replica = await cluster.replica();
    const id = await chatWithTurns(replica);
    replica.models.enqueue(hangs(""));
    const sent = replica.send(id, "2");
    // The row is locked until the message is there: the interruption comes right behind it.
    await Promise.all([sent, sent.then(async () => await replica.interrupt(id))]);
    await cluster.untilIdle(id);
    expect(await historyOf(id)).toEqual(["user: 1", "assistant: ok", "user: 2"]);
    expect(await beginnings(replica, async () => await turn(replica, id, "3"))).toBe(1);
    expect(promptsOf(replica).at(-1)).toEqual(["user: 1", "assistant: ok", "user: 2", "user: 3"]);
  });

  test("a crash is taken over, and the turn runs once", async () => {
    const proxy = await createDatabaseProxy(cluster.settings);
    const dies = await cluster.replica({ settings: proxy.settings });
    const id = await chatWithTurns(dies);
    // The turn's own commit has been answered: the next one is the message's.
    await eventually("the first turn is over here, too", () => dies.worker.stats().runners === 0);
    const before = dies.models.requests.length;
    const survivor = await cluster.replica();
    // Committed, and who did it never hears of it.
    proxy.loseNextCommitAnswer();
    await expect(dies.send(id, "2")).rejects.toMatchObject({ code: "commit_unknown" });
    proxy.goAway();
    await dies.kill();
    expect(await cluster.chat(id)).toMatchObject({ generation_attempt: 1, status: "running" });
    await cluster.bury(survivor);
    await survivor.passTime(cluster.untilIdle(id));
    expect(survivor.models.requests).toHaveLength(1);
    expect(dies.models.requests).toHaveLength(before);
    expect(await historyOf(id)).toEqual(["user: 1", "assistant: ok", "user: 2", "assistant: ok"]);
    expect((await cluster.history(id)).at(-1)?.episode).toMatchObject({ generation_attempt: 2 });
    await proxy.close();
  });
});
