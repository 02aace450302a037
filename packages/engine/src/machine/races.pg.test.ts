import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, calling, newChat, reply, said, text } from "../../test/chat-in-state.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { createWorld, type World } from "../../test/world.ts";
import { closingMessage } from "../domain/closing.ts";
import type { ChatRow, MessageRow } from "../domain/rows.ts";
import { stateOf } from "../domain/state.ts";
import { fenceOf } from "../domain/task.ts";
import { defined } from "../lib/assert.ts";
import { ParleyError } from "../lib/errors.ts";
import { seededRandom, type Random } from "../lib/random.ts";
import { readTrackedCalls } from "../store/executions.ts";
import { readQueue } from "../store/queue.ts";
import type { Bundle } from "./bundle.ts";
import { acquire } from "./ownership.ts";

/** Many hands on one chat at once: no message is lost, none is doubled, and history stays valid. */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

const handsMax = 6;
const movesMax = 25;

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return defined(row, "the chat");
}

/** Typed refusals are part of the game, anything else is a bug. */
async function refusable(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof ParleyError && error.code !== "statement_failed") return false;
    throw error;
  }
}

const pick = <T>(random: Random, from: readonly T[]): T | undefined =>
  from[Math.floor(random.float() * from.length)];

interface Handed {
  /** What was accepted. */
  readonly sent: readonly string[];
  /** What edits cleared from the queue. */
  readonly cleared: readonly string[];
}

function words(parts: MessageRow["parts"]): string {
  const [part] = parts;
  return part?.type === "text" ? part.text : "";
}

/** One user's tab: sends, interrupts, promotes, moves and edits, whatever the others do. */
async function hand(id: string, name: string, random: Random): Promise<Handed> {
  const sent: string[] = [];
  const cleared: string[] = [];
  for (let n = 0; n < movesMax; n++) {
    const content = `${name}-${n}`;
    const manner = pick(random, ["queue", "steer", "interrupt", "reject"] as const) ?? "queue";
    const sends = async (bundle: Bundle): Promise<unknown> =>
      await all.sendMessage(bundle, {
        message: said(content),
        when_busy: manner,
        queueMessagesMax: 8,
      });
    const queued = async (bundle: Bundle): Promise<number> =>
      pick(random, await readQueue(bundle.tx, id))?.id ?? 2 ** 40;
    let dropped: string[] = [];
    const edits = async (bundle: Bundle): Promise<unknown> => {
      const keep_queue = random.float() < 0.7;
      const queue = keep_queue ? [] : await readQueue(bundle.tx, id);
      dropped = queue.map((waiting) => words(waiting.parts));
      const rows = await bundle.tx.query<{ id: number }>({
        name: "test.newest_said",
        text: `select id from parley.chat_messages where chat_id = $1 and role = 'user' and not deleted
               order by id desc limit 3`,
        values: [id],
      });
      return await all.editMessage(bundle, {
        message_id: pick(random, rows)?.id ?? 0,
        parts: text(content),
        client_id: null,
        created_by: null,
        keep_queue,
      });
    };
    const moves = [
      sends,
      sends,
      sends,
      async (b: Bundle) => await all.interrupt(b, { hold: random.float() < 0.3 }),
      async (b: Bundle) => await all.promoteQueuedMessage(b, { queued_id: await queued(b) }),
      async (b: Bundle) =>
        await all.reorderQueuedMessage(b, { queued_id: await queued(b), position: 1 }),
      edits,
    ] as const;
    const move = pick(random, moves) ?? sends;
    // oxlint-disable-next-line no-await-in-loop
    const done = await refusable(() => world.machine.update(id, move));
    if (done && (move === sends || move === edits)) sent.push(content);
    if (done && move === edits) cleared.push(...dropped);
  }
  return { sent, cleared };
}

/** What a worker would do, under its fence, until the hands are done and nothing is left to do. */
async function drive(
  id: string,
  runner_id: string,
  random: Random,
  over: () => boolean,
): Promise<void> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const row = await chatRow(id);
    const state = stateOf(row)[0];
    if ((state === "W" || state === "E") && over()) return;
    if (row.runner_id !== runner_id && state !== "W" && state !== "E") {
      const by = { worker_id: world.worker, runner_id };
      // oxlint-disable-next-line no-await-in-loop
      await refusable(() => world.machine.update(id, (bundle) => acquire(bundle, by)));
      continue;
    }
    const fence = fenceOf(row, runner_id);
    // oxlint-disable-next-line no-await-in-loop
    await refusable(() =>
      world.machine.update(id, async (bundle) => await task(bundle, random), { fence }),
    );
  }
}

async function task(bundle: Bundle, random: Random): Promise<void> {
  const calls = await readTrackedCalls(bundle.tx, bundle.chatId);
  if (bundle.state.startsWith("I")) {
    const closing = closingMessage(calls, "interrupted");
    const partial = closing ?? { role: "assistant" as const, parts: text("half") };
    await all.finishInterruption(bundle, { partial: [partial] });
    return;
  }
  if (bundle.state.startsWith("A")) {
    const results = calls.map(({ tool_call_id }) => ({ tool_call_id, output: 1, is_error: false }));
    await all.completeRequiresAction(bundle, { results, submitted_by: null });
    return;
  }
  if (calls.length > 0) {
    await all.enterRequiresAction(bundle);
    return;
  }
  const chance = random.float();
  if (chance < 0.3) {
    await all.commitStep(bundle, calling(["client", "client"]));
    return;
  }
  await all.commitStep(bundle, { messages: [reply("said")] });
  const queue = await readQueue(bundle.tx, bundle.chatId);
  if (queue.some((queued) => queued.manner === "steer")) await all.promoteSteering(bundle);
  else if (chance < 0.9) await all.finishTurn(bundle);
  else {
    const error = { kind: "server", message: "it broke", retryable: true } as const;
    await all.finishError(bundle, { error });
  }
}

test.each([1, 2, 3, 4])("hands and a worker on one chat, seed %d (C24)", async (seed) => {
  const random = seededRandom(seed);
  const { id, chat } = await chatIn(world, "R0", { replied: false });
  const runner_id = random.uuid();
  let over = false;
  const driving = drive(id, runner_id, seededRandom(`worker ${seed}`), () => over);
  const handed = await Promise.all(
    Array.from({ length: handsMax }, (_, n) => hand(id, `h${n}`, seededRandom(`${seed} ${n}`))),
  );
  over = true;
  await driving;

  const after = await chatRow(id);
  const snapshots = world.published().map((commit) => commit.chat.snapshot_version);
  expect(snapshots.toSorted((a, b) => a - b)).toEqual(
    Array.from(
      { length: after.snapshot_version - chat.snapshot_version },
      (_, n) => chat.snapshot_version + 1 + n,
    ),
  );
  const messages = await world.sql<MessageRow>(
    `select * from parley.chat_messages where chat_id = $1 order by id`,
    [id],
  );
  const queue = await world.database.write((tx) => readQueue(tx, id));
  // Each message that was accepted entered history once, waits, or was cleared from the queue by an edit; none twice.
  const entered = messages.filter((message) => message.role === "user").map((m) => words(m.parts));
  const places = [
    ...entered,
    ...queue.map((queued) => words(queued.parts)),
    ...handed.flatMap((each) => each.cleared),
  ];
  const accepted = ["first", ...handed.flatMap((each) => each.sent)];
  expect(places.toSorted()).toEqual(accepted.toSorted());
  valid(messages.filter((message) => !message.deleted));
});

/** Every call is answered, once, before the next user's or assistant's message. */
function valid(history: readonly MessageRow[]): void {
  let open = new Set<string>();
  for (const { role, parts } of history) {
    if (role === "tool") {
      for (const part of parts) {
        if (part.type === "tool-result") expect(open.delete(part.tool_call_id)).toBe(true);
      }
      continue;
    }
    expect([...open]).toEqual([]);
    const calls = parts.flatMap((part) => (part.type === "tool-call" ? [part.tool_call_id] : []));
    open = new Set(calls);
  }
}

test("a message sent while its turn ends is answered by it or by the next, whichever wins (C21)", async () => {
  for (let n = 0; n < 20; n++) {
    const chat = newChat(world);
    // oxlint-disable-next-line no-await-in-loop
    await world.machine.create(chat, (bundle) =>
      all.createChat(bundle, { messages: [{ role: "user", parts: text("first") }] }),
    );
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all([
      world.machine.update(chat.id, async (bundle) => {
        await all.commitStep(bundle, { messages: [reply("done")] });
        await all.finishTurn(bundle);
      }),
      world.machine.update(chat.id, (bundle) =>
        all.sendMessage(bundle, { message: said("next"), when_busy: "queue", queueMessagesMax: 5 }),
      ),
    ]);
    // oxlint-disable-next-line no-await-in-loop
    const row = await chatRow(chat.id);
    expect(row).toMatchObject({ status: "running", queue_length: 0 });
    // oxlint-disable-next-line no-await-in-loop
    const said2 = await world.sql<{ parts: MessageRow["parts"] }>(
      `select parts from parley.chat_messages where id = $1`,
      [row.turn_message_id],
    );
    expect(said2[0]?.parts).toEqual(text("next"));
  }
});
