import type { BudgetScope, Usage } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cast } from "../../../test/cast.ts";
import { Cluster, type Replica, type ReplicaOptions } from "../../../test/replica.ts";
import { calls, fails, hangs, says, type Script } from "../../../test/scripted-models.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { noStandingBudgets, type SpendPolicy } from "../../domain/spending.ts";
import { requestCompaction } from "../../machine/transitions/request-compaction.ts";
import { retryTurn } from "../../machine/transitions/retry-turn.ts";
import { PriceTable } from "../../models/prices/price-table.ts";
import { readStandings } from "../../store/spending.ts";

/** What a worker's model calls cost, and what it does when they may not cost more. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** Only replies cost anything, a millionth a token: a call is worth what it may say. */
const prices = new PriceTable({
  "test/*": { input: 0, output: 1 },
  "test/dear": { input: 2, cached_input: 1, output: 10 },
  "test/unknown": null,
});
const replyTokens = 1_000;

async function replicaWith(
  policy: Partial<SpendPolicy> = {},
  options: ReplicaOptions = {},
): Promise<Replica> {
  const spending = {
    prices,
    policy: { ...noStandingBudgets, outputTokensMax: replyTokens, ...policy },
  };
  return await cluster.replica({ ...options, worker: { ...options.worker, spending } });
}

const using =
  (usage: Usage, script: Script): Script =>
  async (speaker) => {
    speaker.usage = usage;
    return await script(speaker);
  };

const usd = (micros: number) => ({ usd_micros: micros, tokens: null });

async function standing(id: string, scope: BudgetScope) {
  const rows = await cluster.database.read((tx) => readStandings(tx, id, noStandingBudgets));
  return rows.find((row) => row.scope === scope)?.usd_micros;
}

const raise = (replica: Replica, id: string, micros: number): Promise<unknown> =>
  replica.machine.lock(id, async (_chat, transaction) => {
    await transaction.patch(id, { budget: usd(micros) });
  });

const again = (replica: Replica, id: string): Promise<unknown> =>
  replica.machine.update(id, (bundle) => retryTurn(bundle), { acquire: true });

describe("what a call has cost", () => {
  test("is in its message, and runs along with its chat in the same commit", async () => {
    const replica = await replicaWith();
    const usage = { input_tokens: 100, cached_input_tokens: 40, output_tokens: 7 };
    replica.models.enqueue(using(usage, says("hello")));
    const id = await replica.create("hi", { model: "test/dear" });
    await cluster.untilIdle(id);
    const reply = (await cluster.history(id)).at(-1);
    expect(reply?.usage).toEqual({ ...usage, cost_usd_micros: 60 * 2 + 40 + 70 });
    const commit = replica.commits.find(({ messages }) =>
      messages.some(({ id: m }) => m === reply?.id),
    );
    expect(commit?.chat).toMatchObject({
      usage_replies: 1,
      usage_input_tokens: 100,
      usage_output_tokens: 7,
      usage_cost_usd_micros: 230,
    });
    expect(commit?.chat.metadata_version).toBeGreaterThan(commit?.before?.metadata_version ?? 0);
  });

  test("is not guessed where the price is not known, and its tokens are where the provider does not say", async () => {
    const replica = await replicaWith();
    const silent = replica.models.stream.bind(replica.models);
    replica.models.stream = async (...args) => ({ ...(await silent(...args)), usage: null });
    replica.models.enqueue(says("x".repeat(40)));
    const id = await replica.create("h".repeat(400), { model: "test/unknown" });
    const row = await cluster.untilIdle(id);
    const usage = (await cluster.history(id)).at(-1)?.usage;
    expect(usage).toMatchObject({ estimated: true, output_tokens: 10 });
    expect(usage?.input_tokens).toBeGreaterThanOrEqual(100);
    expect(usage).not.toHaveProperty("cost_usd_micros");
    expect(row).toMatchObject({ usage_unpriced_replies: 1, usage_cost_usd_micros: 0 });
  });

  test("is estimated for what a stop cuts off, and counts", async () => {
    const replica = await replicaWith();
    replica.models.enqueue(hangs("x".repeat(400)));
    const id = await replica.create("hi");
    await replica.models.request(1);
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    const usage = (await cluster.history(id)).at(-1)?.usage;
    expect(usage).toMatchObject({ estimated: true, output_tokens: 100, cost_usd_micros: 100 });
    expect(row.usage_cost_usd_micros).toBe(100);
  });

  test("counts summaries as well", async () => {
    const replica = await replicaWith();
    replica.models.enqueue(using({ input_tokens: 1, output_tokens: 5 }, says("an answer")));
    const id = await replica.create("hi");
    await cluster.untilIdle(id);
    replica.models.enqueue(using({ input_tokens: 1, output_tokens: 30 }, says("in short")));
    await replica.machine.update(id, (bundle) => requestCompaction(bundle), { acquire: true });
    const row = await cluster.until(id, (chat) => chat.usage_replies === 2);
    expect(row.usage_cost_usd_micros).toBe(35);
  });
});

describe("a budget", () => {
  test("that has room holds the reply to what was reserved; without one nothing does", async () => {
    const replica = await replicaWith();
    await cluster.untilIdle(await replica.create("hi"));
    const id = await replica.create("hi", { budget: usd(replyTokens) });
    await cluster.untilIdle(id);
    expect(replica.models.requests[0]).not.toHaveProperty("output_tokens_max");
    expect(replica.models.requests[1]).toMatchObject({ output_tokens_max: replyTokens });
    expect(await standing(id, "chat")).toEqual({ limit: replyTokens, spent: 1, reserved: 0 });
  });

  test("that has none ends the turn before the call, and says what to do; with more the turn goes on", async () => {
    const refusals: string[] = [];
    const replica = await replicaWith(
      {},
      {
        observer: { budgetRefused: (_chat, scope, unit) => void refusals.push(`${scope} ${unit}`) },
      },
    );
    const id = await replica.create("hi", { budget: usd(replyTokens - 1) });
    const failed = await cluster.untilIdle(id);
    expect(replica.models.requests).toEqual([]);
    expect(failed).toMatchObject({
      status: "error",
      last_error: {
        kind: "budget_exceeded",
        retryable: true,
        budget: {
          scope: "chat",
          unit: "usd_micros",
          limit: 999,
          spent: 0,
          reserved: 0,
          needed: 1_000,
        },
      },
    });
    expect(failed.last_error?.message).toBe(
      "The budget of this chat is $0.000999: $0.00 are spent, and the next call may need $0.001. Raise the chat's budget, then retry.",
    );
    expect(refusals).toEqual(["chat usd_micros"]);
    await raise(replica, id, replyTokens);
    await again(replica, id);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });

  test("is asked before each call of a turn, those after tools and failures too", async () => {
    const replica = await replicaWith();
    // One call and its price fit; what it has cost leaves too little for the next.
    const first = using({ input_tokens: 1, output_tokens: 500 }, calls(["c1", "nothing", {}]));
    replica.models.enqueue(first);
    const id = await replica.create("hi", { budget: usd(1_400) });
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({ kind: "budget_exceeded", budget: { spent: 500 } });
    expect(replica.models.requests).toHaveLength(1);
  });

  test("gives back what was reserved for a call that failed, and asks again for the next try", async () => {
    const replica = await replicaWith();
    replica.models.enqueue(fails("server"), says("there"));
    const id = await replica.create("hi", { budget: usd(replyTokens) });
    await cluster.until(id, (chat) => chat.retry_state !== null);
    expect(await standing(id, "chat")).toMatchObject({ spent: 0, reserved: 0 });
    await replica.clock.advance(60_000);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });

  test("of money refuses a model of unknown price, unless it counts as free", async () => {
    const strict = await replicaWith();
    const over = { model: "test/unknown", budget: usd(5) };
    const row = await cluster.untilIdle(await strict.create("hi", over));
    expect(row.last_error).toMatchObject({ kind: "budget_exceeded", budget: { needed: null } });
    expect(row.last_error?.message).toContain("what test/unknown costs is not known here");
    await strict.stop();
    const lax = await replicaWith({ countUnknown: true });
    expect((await cluster.untilIdle(await lax.create("hi", over))).status).toBe("waiting");
  });

  test("also holds summaries", async () => {
    const replica = await replicaWith();
    const id = await replica.create("hi");
    await cluster.untilIdle(id);
    await raise(replica, id, 500);
    await replica.machine.update(id, (bundle) => requestCompaction(bundle), { acquire: true });
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({ kind: "budget_exceeded" });
    expect(replica.models.requests).toHaveLength(1);
  });
});

test("a reservation whose owner has died is its successor's, and settled once", async () => {
  const first = await replicaWith();
  first.models.enqueue(hangs("half of"));
  const id = await first.create("hi", { budget: usd(1_500) });
  await first.models.request(1);
  expect(await standing(id, "chat")).toEqual({ limit: 1_500, spent: 0, reserved: 1_000 });
  const second = await replicaWith();
  second.models.enqueue(using({ input_tokens: 1, output_tokens: 20 }, says("all of it")));
  await cluster.bury(second);
  const row = await cluster.untilIdle(id);
  expect([row.status, row.usage_replies]).toEqual(["waiting", 1]);
  expect(await standing(id, "chat")).toEqual({ limit: 1_500, spent: 20, reserved: 0 });
});

describe("a family", () => {
  test("of twenty sub-agents and the chat that started them cannot pass the same check", async () => {
    const refused = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let refusals = 0;
    const replica = await replicaWith(
      {},
      {
        subAgents: {},
        poolSize: 8,
        observer: {
          budgetRefused: () => {
            if (++refusals === 13) refused.resolve();
          },
        },
      },
    );
    const waits: Script = async (speaker) => {
      await speaker.wait(gate.promise);
      speaker.text("done");
    };
    const agents = Array.from({ length: 20 }, (_, n) => `agent ${n}`);
    const spawning = calls(...agents.map((prompt) => [prompt, "spawn_agent", { prompt }] as const));
    cast(replica.models, {
      work: [spawning, waits],
      ...Object.fromEntries(agents.map((prompt) => [prompt, [waits]])),
    });
    // The first call has cost 1 when the others ask: there is room for eight of the twenty-one.
    const root = await replica.create("work", { family_budget: usd(8 * replyTokens + 1) });
    await refused.promise;
    expect(await standing(root, "family")).toEqual({ limit: 8_001, spent: 1, reserved: 8_000 });
    expect(replica.models.requests).toHaveLength(1 + 8);
    gate.resolve();
    const family = await cluster.rows<ChatRow>(
      `select * from parley.chats where root_chat_id = '${root}'`,
    );
    const ended = await Promise.all(family.map(({ id }) => cluster.untilIdle(id)));
    const told = ended.filter(({ last_error }) => last_error?.kind === "budget_exceeded");
    expect([ended.length, told.length]).toEqual([21, 13]);
    expect(told[0]?.last_error?.budget).toMatchObject({ scope: "family", limit: 8_001 });
    expect(await standing(root, "family")).toEqual({ limit: 8_001, spent: 9, reserved: 0 });
  });

  test("has no sub-agents where they are switched off", async () => {
    const replica = await replicaWith({}, { subAgents: {} });
    const spawn = calls(["s", "spawn_agent", { prompt: "help" }]);
    cast(replica.models, { alone: [spawn, says("alone then")], help: [spawn, says("me too")] });
    const off = await replica.create("alone", { sub_agents: false });
    await cluster.untilIdle(off);
    expect(replica.models.requests[0]?.tools).toEqual([]);
    const result = (await cluster.history(off)).flatMap(({ parts }) => parts)[2];
    expect(result).toMatchObject({
      type: "tool-result",
      is_error: true,
      output: expect.stringContaining("switched off"),
    });
    expect(await cluster.rows(`select from parley.chats where parent_chat_id = '${off}'`)).toEqual(
      [],
    );
  });

  test("nor below a chat for which they have been switched off since", async () => {
    const replica = await replicaWith({}, { subAgents: {} });
    const asked = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const spawnLater: Script = async (speaker) => {
      asked.resolve();
      await speaker.wait(gate.promise);
      speaker.call("s", "spawn_agent", { prompt: "deeper" });
      return "tool_calls";
    };
    const spawn = calls(["s", "spawn_agent", { prompt: "help" }]);
    cast(replica.models, { work: [spawn, says("on it")], help: [spawnLater, says("alone then")] });
    const root = await replica.create("work");
    await asked.promise;
    await cluster.untilIdle(root);
    await replica.machine.lock(root, async (_chat, transaction) => {
      await transaction.patch(root, { sub_agents: false });
    });
    gate.resolve();
    const [child] = await cluster.rows<ChatRow>(
      `select * from parley.chats where parent_chat_id = '${root}'`,
    );
    await cluster.untilIdle(child?.id ?? "");
    expect(
      await cluster.rows(`select from parley.chats where parent_chat_id = '${child?.id}'`),
    ).toEqual([]);
  });
});
