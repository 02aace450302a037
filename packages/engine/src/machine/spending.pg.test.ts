import { randomUUID } from "node:crypto";
import type { BudgetRefusal, BudgetScope, Usage } from "@parley/protocol";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newChat, queueMessagesMax, said, text } from "../../test/chat-in-state.ts";
import { createWorld, type World } from "../../test/world.ts";
import { TransitionRejected } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import {
  isRefusal,
  noStandingBudgets,
  type SpendAnswer,
  type SpendLimit,
  type SpendPolicy,
} from "../domain/spending.ts";
import { readChat, type NewChat } from "../store/chats.ts";
import { readStandings, setOwnerBudget, type Wish } from "../store/spending.ts";
import { readFamilyUsage } from "../store/usage.ts";
import { commitStep } from "./transitions/commit-step.ts";
import { createChat } from "./transitions/create-chat.ts";
import { deleteChat } from "./transitions/delete-chat.ts";
import { finishError } from "./transitions/finish-error.ts";
import { finishInterruption } from "./transitions/finish-interruption.ts";
import { forkChat } from "./transitions/fork-chat.ts";
import { interrupt } from "./transitions/interrupt.ts";
import { recordGenerationAttempt } from "./transitions/record-generation-attempt.ts";
import { recordRetryState } from "./transitions/record-retry-state.ts";
import { retryTurn } from "./transitions/retry-turn.ts";
import { sendMessage } from "./transitions/send-message.ts";

/** Budgets, as the database keeps them: what is reserved, what is settled, and what is given back. */

let world: World;
let owner: string;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());
beforeEach(async () => {
  owner = randomUUID();
  await world.sql(`insert into parley.principals (id, name) values ($1, 'spender')`, [owner]);
});

const usd = (micros: number): SpendLimit => ({ usd_micros: micros, tokens: null });
const tokens = (count: number): SpendLimit => ({ usd_micros: null, tokens: count });

async function start(over: Partial<NewChat> = {}): Promise<string> {
  const chat = newChat(world, { owner_id: owner, ...over });
  await world.machine.create(chat, (bundle) =>
    createChat(bundle, { messages: [{ role: "user", parts: text("go") }] }),
  );
  return chat.id;
}

const wish = (micros: number | null, policy: Partial<SpendPolicy> = {}): Wish => ({
  usd_micros: micros,
  tokens: micros ?? 0,
  policy: { ...noStandingBudgets, ...policy },
});

async function reserve(id: string, of: Wish): Promise<SpendAnswer> {
  return await world.machine.update(
    id,
    async (bundle) => (await recordGenerationAttempt(bundle, of)).spend,
  );
}

async function settle(id: string, micros: number, usage: Usage = {}): Promise<void> {
  await world.machine.update(id, async (bundle) => {
    const episode = { history_version: 1, generation_attempt: bundle.sketch.generation_attempt };
    const used = { total_tokens: micros, cost_usd_micros: micros, ...usage };
    await commitStep(bundle, {
      messages: [{ role: "assistant", parts: text("so"), model: "a/b", usage: used, episode }],
    });
  });
}

const fail = (id: string): Promise<unknown> =>
  world.machine.update(id, (bundle) =>
    finishError(bundle, { error: { kind: "server", message: "broke", retryable: true } }),
  );

async function standing(
  id: string,
  scope: BudgetScope,
  policy: Partial<SpendPolicy> = {},
): Promise<{ spent: number; reserved: number } | undefined> {
  const all = { ...noStandingBudgets, ...policy };
  const rows = await world.database.read((tx) => readStandings(tx, id, all));
  const found = rows.find((row) => row.scope === scope)?.usd_micros;
  return found ? { spent: found.spent, reserved: found.reserved } : undefined;
}

const chatRow = async (id: string): Promise<ChatRow> =>
  (await world.database.read((tx) => readChat(tx, id))) as ChatRow;

const reserved = { reserved: true };

describe("calls that ask at the same time", () => {
  test("of twenty sub-agents exactly seven pass a family's budget for seven (C42)", async () => {
    const root = await start({ family_budget: usd(7_000) });
    const children = await Promise.all(
      Array.from({ length: 20 }, () => start({ parent_chat_id: root, root_chat_id: root })),
    );
    const answers = await Promise.all(children.map((id) => reserve(id, wish(1_000))));
    expect(answers.filter((answer) => !isRefusal(answer))).toEqual(Array(7).fill(reserved));
    const refusals = answers.filter(isRefusal);
    expect(refusals).toHaveLength(13);
    for (const refusal of refusals) {
      expect(refusal).toEqual({
        scope: "family",
        unit: "usd_micros",
        limit: 7_000,
        spent: 0,
        reserved: 7_000,
        needed: 1_000,
      } satisfies BudgetRefusal);
    }
    expect(await standing(root, "family")).toEqual({ spent: 0, reserved: 7_000 });
  });

  test("and of an owner's chats, that have nothing else in common", async () => {
    const chats = await Promise.all(Array.from({ length: 20 }, () => start()));
    const policy = { standing: { ...noStandingBudgets.standing, owner: tokens(75) } };
    const answers = await Promise.all(chats.map((id) => reserve(id, wish(10, policy))));
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(7);
    expect(answers.find(isRefusal)).toMatchObject({ scope: "owner", unit: "tokens", limit: 75 });
  });

  test("what others settle meanwhile is counted once, as spent or as reserved", async () => {
    const chats = await Promise.all(Array.from({ length: 12 }, () => start()));
    const policy = { standing: { ...noStandingBudgets.standing, owner: usd(12_000) } };
    for (let round = 0; round < 3; round++) {
      // oxlint-disable-next-line no-await-in-loop
      const answers = await Promise.all(
        chats.map(async (id) => {
          const answer = await reserve(id, wish(1_000, policy));
          if (!isRefusal(answer)) await settle(id, 400);
          return answer;
        }),
      );
      const passed = answers.filter((answer) => !isRefusal(answer)).length;
      // oxlint-disable-next-line no-await-in-loop
      const now = await standing(chats[0] ?? "", "owner", policy);
      expect(now?.reserved).toBe(0);
      expect(now?.spent).toBeLessThanOrEqual(12_000);
      expect(passed).toBeGreaterThan(0);
    }
  });
});

describe("a reservation", () => {
  const policy = { standing: { ...noStandingBudgets.standing, owner: usd(1_000) } };

  test("becomes what the call has cost, in the step's own commit", async () => {
    const id = await start();
    expect(await reserve(id, wish(900, policy))).toEqual(reserved);
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 900 });
    await settle(id, 150);
    expect(await standing(id, "owner", policy)).toEqual({ spent: 150, reserved: 0 });
  });

  test("is replaced by the next attempt's, whoever makes that: an owner that died left one", async () => {
    const id = await start();
    expect(await reserve(id, wish(900, policy))).toEqual(reserved);
    expect(await reserve(id, wish(800, policy))).toEqual(reserved);
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 800 });
  });

  test("of a dead owner holds the others until the chat is taken over", async () => {
    const [id, other] = [await start(), await start()];
    expect(await reserve(id, wish(900, policy))).toEqual(reserved);
    expect(await reserve(other, wish(900, policy))).toMatchObject({ reserved: 900 });
    // Whoever takes the chat over stops it, fails it or goes on: here it fails.
    await fail(id);
    expect(await reserve(other, wish(900, policy))).toEqual(reserved);
  });

  test("is given back while a failed attempt waits for the next", async () => {
    const id = await start();
    await reserve(id, wish(900, policy));
    await world.machine.update(id, (bundle) =>
      recordRetryState(bundle, { attempt: 1, delay_ms: 10, kind: "server", message: "again" }),
    );
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 0 });
    await reserve(id, wish(700, policy));
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 700 });
  });

  test("is given back by a stop that left nothing, and leaves no row", async () => {
    const id = await start();
    await reserve(id, wish(900, policy));
    await world.machine.update(id, (bundle) => interrupt(bundle, { hold: false }));
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 900 });
    await world.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [] }));
    expect(await standing(id, "owner", policy)).toEqual({ spent: 0, reserved: 0 });
    expect(
      await world.sql(`select from parley.spend_reservations where chat_id = $1`, [id]),
    ).toEqual([]);
  });

  test("goes with its chat; what was spent stays", async () => {
    const [id, other] = [await start(), await start()];
    await reserve(id, wish(300, policy));
    await settle(id, 200);
    await reserve(id, wish(300, policy));
    await world.machine.update(id, (bundle) => deleteChat(bundle));
    expect(await standing(other, "owner", policy)).toEqual({ spent: 200, reserved: 0 });
  });

  test("of a refused call is not made, and the turn can be run again with a higher budget", async () => {
    const id = await start({ budget: usd(100) });
    expect(await reserve(id, wish(101))).toMatchObject({ scope: "chat", limit: 100, needed: 101 });
    expect(await standing(id, "chat")).toEqual({ spent: 0, reserved: 0 });
    await fail(id);
    await world.machine.lock(id, (_chat, transaction) =>
      transaction.patch(id, { budget: usd(200) }),
    );
    await world.machine.update(id, (bundle) => retryTurn(bundle));
    expect(await reserve(id, wish(101))).toEqual(reserved);
  });

  test("is not made where no budget applies", async () => {
    const id = await start();
    expect(await reserve(id, wish(1_000_000))).toBeNull();
    expect(await reserve(id, wish(null))).toBeNull();
    expect(
      await world.sql(`select from parley.spend_reservations where owner_id = $1`, [owner]),
    ).toEqual([]);
  });
});

describe("budgets", () => {
  test("the deployment's own bounds those of chats and families from above", async () => {
    const below = { ...noStandingBudgets.standing, chat: usd(50), family: usd(70) };
    const id = await start({ budget: usd(1_000), family_budget: usd(60) });
    const asks = (micros: number): Promise<SpendAnswer> =>
      reserve(id, wish(micros, { standing: below }));
    expect(await asks(51)).toMatchObject({ scope: "chat", limit: 50 });
    expect(await asks(50)).toEqual(reserved);
    await settle(id, 20);
    const child = await start({ parent_chat_id: id, root_chat_id: id });
    expect(await reserve(child, wish(41, { standing: below }))).toMatchObject({
      scope: "family",
      limit: 60,
      spent: 20,
    });
  });

  test("an owner's own takes the place of the deployment's", async () => {
    const policy = { standing: { ...noStandingBudgets.standing, owner: usd(10) } };
    const id = await start();
    expect(await reserve(id, wish(50, policy))).toMatchObject({ scope: "owner", limit: 10 });
    await world.database.write((tx) => setOwnerBudget(tx, owner, usd(100)));
    expect(await reserve(id, wish(50, policy))).toEqual(reserved);
    await world.database.write((tx) => setOwnerBudget(tx, owner, tokens(5)));
    expect(await reserve(id, wish(50, policy))).toMatchObject({ scope: "owner", unit: "tokens" });
    await world.database.write((tx) => setOwnerBudget(tx, owner, null));
    expect(await reserve(id, wish(50, policy))).toMatchObject({ scope: "owner", limit: 10 });
  });

  test("an owner's counts from the beginning of the day or month, or from ever", async () => {
    const id = await start();
    await settle(id, 100);
    await world.sql(`update parley.usage_totals set day = day - 45 where chat_id = $1`, [id]);
    await settle(id, 10);
    const spent = async (ownerPeriod: SpendPolicy["ownerPeriod"]): Promise<number | undefined> => {
      const policy = {
        standing: { ...noStandingBudgets.standing, owner: usd(1_000) },
        ownerPeriod,
      };
      return (await standing(id, "owner", policy))?.spent;
    };
    expect([await spent("day"), await spent("month"), await spent("total")]).toEqual([10, 10, 110]);
  });

  test("a budget of money refuses a model of unknown price, or counts it as free, as it is told to", async () => {
    const id = await start({ budget: usd(100) });
    expect(await reserve(id, wish(null))).toMatchObject({ scope: "chat", needed: null });
    expect(await reserve(id, wish(null, { countUnknown: true }))).toEqual(reserved);
    const counted = await start({ budget: tokens(100) });
    expect(await reserve(counted, wish(null))).toEqual(reserved);
  });

  test("a family's is a root's", async () => {
    const root = await start();
    const made = start({ parent_chat_id: root, root_chat_id: root, family_budget: usd(1) });
    await expect(made).rejects.toThrow("chats_family_budget_of_root");
  });
});

describe("what was used", () => {
  test("runs along on the chat's row, moves its metadata and nothing else, and is added up by model and day", async () => {
    const id = await start();
    const before = await chatRow(id);
    await settle(id, 30, { input_tokens: 20, output_tokens: 8, cached_input_tokens: 5 });
    const unpriced = { input_tokens: 3, output_tokens: 4 };
    await world.machine.update(id, async (bundle) => {
      const episode = { history_version: 1, generation_attempt: 1 };
      await commitStep(bundle, {
        messages: [{ role: "assistant", parts: [], model: "c/d", usage: unpriced, episode }],
      });
    });
    const after = await chatRow(id);
    expect(after).toMatchObject({
      usage_replies: 2,
      usage_unpriced_replies: 1,
      usage_input_tokens: 23,
      usage_output_tokens: 12,
      usage_total_tokens: 37,
      usage_cost_usd_micros: 30,
    });
    expect(after.metadata_version).toBe(before.metadata_version + 2);
    expect(after.snapshot_version).toBe(before.snapshot_version + 2);
    const rows = await world.database.read((tx) => readFamilyUsage(tx, id));
    expect(rows).toMatchObject([
      { model: "a/b", own: true, replies: 1, cached_input_tokens: 5, cost_usd_micros: 30 },
      { model: "c/d", own: true, replies: 1, unpriced_replies: 1, total_tokens: 7 },
    ]);
  });

  test("stays the family's when a sub-agent is deleted, and a fork has not used it again", async () => {
    const root = await start();
    const child = await start({ parent_chat_id: root, root_chat_id: root });
    await settle(child, 40);
    await world.machine.update(child, (bundle) => deleteChat(bundle));
    const rows = await world.database.read((tx) => readFamilyUsage(tx, root));
    expect(rows).toMatchObject([{ own: false, cost_usd_micros: 40 }]);

    await settle(root, 50);
    const fork = newChat(world, { owner_id: owner, status: "waiting" });
    await world.machine.create(fork, (bundle) => forkChat(bundle, { source_chat_id: root }));
    expect(await chatRow(fork.id)).toMatchObject({ usage_replies: 0, usage_cost_usd_micros: 0 });
  });
});

/** What may happen to a chat, one after the other; several chats at once. */
const step = fc.record({
  chat: fc.nat({ max: 5 }),
  what: fc.constantFrom("call", "call", "call", "call", "settle", "retry", "fail", "stop"),
  worst: fc.integer({ min: 1, max: 400 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

test("whatever happens, and however much of it at once, what is spent and reserved stays within every budget", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 2, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 100, max: 500 }),
      async (rounds, limit) => {
        const policy = { standing: { ...noStandingBudgets.standing, owner: usd(limit + 300) } };
        owner = randomUUID();
        await world.sql(`insert into parley.principals (id, name) values ($1, 'one')`, [owner]);
        const root = await start({ family_budget: usd(limit), budget: usd(limit - 50) });
        const below = { parent_chat_id: root, root_chat_id: root };
        const chats = [root, ...(await Promise.all([1, 2, 3].map(() => start(below))))];
        chats.push(await start(), await start());
        const worst = new Map<string, number>();

        const more = async (id: string): Promise<void> => {
          const message = { message: said("more"), when_busy: "queue", queueMessagesMax } as const;
          await world.machine.update(id, (bundle) => sendMessage(bundle, message));
        };
        const stopped = async (id: string): Promise<void> => {
          worst.delete(id);
          await world.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [] }));
          await more(id);
        };
        const one = async (id: string, { what, worst: most, share }: Step): Promise<void> => {
          const { status } = await chatRow(id);
          if (status === "error") await more(id);
          if (status === "interrupting") return await stopped(id);
          if (what === "call") {
            const answer = await reserve(id, wish(most, policy));
            if (isRefusal(answer)) await fail(id);
            if (isRefusal(answer)) worst.delete(id);
            else worst.set(id, most);
          } else if (what === "settle") {
            const held = worst.get(id);
            worst.delete(id);
            if (held !== undefined) await settle(id, Math.floor(held * share));
          } else if (what === "retry") {
            worst.delete(id);
            const again = { attempt: 1, delay_ms: 1, kind: "server", message: "again" } as const;
            await world.machine.update(id, (bundle) => recordRetryState(bundle, again));
          } else if (what === "fail") {
            worst.delete(id);
            await fail(id);
          } else {
            // Reaches the chats below as well.
            await world.machine.update(id, (bundle) => interrupt(bundle, { hold: true }));
            await stopped(id);
          }
        };

        for (const round of rounds) {
          const byChat = Map.groupBy(round, ({ chat }) => chats[chat] ?? root);
          const perChat = [...byChat].map(async ([id, steps]) => {
            // oxlint-disable-next-line no-await-in-loop
            for (const each of steps) await one(id, each).catch(unlessRejected);
          });
          // oxlint-disable-next-line no-await-in-loop
          await Promise.all(perChat);
          for (const [id, scope, most] of [
            [root, "chat", limit - 50],
            [root, "family", limit],
            [root, "owner", limit + 300],
          ] as const) {
            // oxlint-disable-next-line no-await-in-loop
            const now = await standing(id, scope, policy);
            expect((now?.spent ?? 0) + (now?.reserved ?? 0)).toBeLessThanOrEqual(most);
          }
        }
      },
    ),
    { numRuns: 25 },
  );
});

/** A stop from above came first. */
function unlessRejected(error: unknown): void {
  if (!(error instanceof TransitionRejected)) throw error;
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
