import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn, newChat, type Fixture } from "../../../test/chat-in-state.ts";
import { byApi } from "../../../test/scenarios/by-api.ts";
import { byQueue } from "../../../test/scenarios/by-queue.ts";
import { byWorker } from "../../../test/scenarios/by-worker.ts";
import type { Scenario } from "../../../test/scenarios/scenario.ts";
import { queueOf, transcript } from "../../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../../test/world.ts";
import type { Commit } from "../../domain/commit.ts";
import type { ChatRow, MessageRow } from "../../domain/rows.ts";
import { stateOf } from "../../domain/state.ts";
import { transitions, type Row, type TransitionName } from "../../domain/transitions.ts";
import { defined } from "../../lib/assert.ts";

/** Every row of the table, to every state that it may land in, on real PostgreSQL. */
const scenarios = { ...byApi, ...byQueue, ...byWorker };
const names = Object.keys(transitions) as TransitionName[];

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

describe.each(names)("%s", (name) => {
  const rows: readonly Row[] = transitions[name].rows;
  const cases = scenarios[name] ?? [];

  test.each(rows.flatMap((row) => row.to.map((to) => ({ ...row, to }))))(
    "has a scenario from $from $variant to $to",
    ({ from, variant, to }) => {
      const found = cases.some((c) => c.from === from && c.variant === variant && c.to === to);
      expect(found).toBe(true);
    },
  );

  test.each(cases)("from $from $variant to $to $when", async (scenario) => {
    const row = rows.find((r) => r.from === scenario.from && r.variant === scenario.variant);
    expect(row?.to).toContain(scenario.to);
    await (scenario.from === "N" ? makes(scenario, name) : changes(scenario));
  });
});

async function makes(scenario: Scenario, name: TransitionName): Promise<void> {
  const source = await chatIn(world, "W");
  const sourceBefore = await read(source.id);
  const status = name === "forkChat" ? "waiting" : "running";
  const chat = newChat(world, { status });
  await world.machine.create(chat, (bundle) => scenario.apply(bundle, source, world));

  const after = defined(await read(chat.id), "the new chat");
  expect(stateOf(after)).toBe(scenario.to);
  expect(after).toMatchObject({ snapshot_version: 1, history_version: 1, queue_version: 0 });
  expect(await transcript(world, chat.id)).toEqual(scenario.adds);
  expect(await read(source.id)).toEqual(sourceBefore);
  const commits = world.published();
  expect(commits).toHaveLength(1);
  const [commit] = commits as [Commit];
  expect(commit).toMatchObject({ before: null, deleted: false, historyCut: false, actions: null });
  expect(commit.chat).toEqual(after);
  expect(commit.messages).toEqual(await messagesOf(chat.id, 1));
}

async function changes(scenario: Scenario): Promise<void> {
  const fixture = await chatIn(world, scenario.from, scenario.with);
  await scenario.prepare?.(world, fixture);
  const before = defined(await read(fixture.id), "the chat");
  const lines = await transcript(world, fixture.id);
  const queue = await queueOf(world, fixture.id);

  await world.machine.update(fixture.id, (bundle) => scenario.apply(bundle, fixture, world));

  const after = await read(fixture.id);
  expect(stateOf(after)).toBe(scenario.to);
  const commits = world.published();
  expect(commits).toHaveLength(1);
  const [commit] = commits as [Commit];
  if (after === null) {
    expect(commit).toMatchObject({ deleted: true, messages: [], queue: null });
    expect(commit.chat.id).toBe(fixture.id);
    return;
  }
  await checkContents(scenario, fixture, lines, queue);
  checkVersions(scenario, before, after);
  await checkPublication(commit, before, after);
}

async function checkContents(
  scenario: Scenario,
  fixture: Fixture,
  lines: readonly string[],
  queue: readonly string[],
): Promise<void> {
  const kept = lines.slice(0, lines.length - (scenario.cuts ?? 0));
  expect(await transcript(world, fixture.id)).toEqual([...kept, ...(scenario.adds ?? [])]);
  expect(await queueOf(world, fixture.id)).toEqual(scenario.queue ?? queue);
  const after = defined(await read(fixture.id), "the chat");
  expect(after).toMatchObject(scenario.row ?? {});
  const [last] = await world.sql<{ id: number }>(
    `select id from parley.chat_messages where chat_id = $1 and not deleted order by id desc limit 1`,
    [fixture.id],
  );
  expect(after.turn_message_id).toBe(scenario.starts ? last?.id : fixture.chat.turn_message_id);
  if (after.status !== "error") expect(after.last_error).toBeNull();
  expect(after.runnable_since !== null).toBe(/^[RIA]/.test(scenario.to));
}

function checkVersions(scenario: Scenario, before: ChatRow, after: ChatRow): void {
  const now = before.snapshot_version + 1;
  const history = (scenario.adds ?? []).length > 0 || (scenario.moves ?? []).includes("history");
  const queue = scenario.queue !== undefined;
  const retry = (scenario.moves ?? []).includes("retry");
  expect({
    snapshot: after.snapshot_version,
    history: after.history_version,
    queue: after.queue_version,
    retry: after.retry_state_version,
    metadata: after.metadata_version,
  }).toEqual({
    snapshot: now,
    history: history ? now : before.history_version,
    queue: queue ? now : before.queue_version,
    retry: retry ? now : before.retry_state_version,
    metadata: before.metadata_version,
  });
  if (history) expect(after.generation_attempt).toBe(0);
}

async function checkPublication(commit: Commit, before: ChatRow, after: ChatRow): Promise<void> {
  const snapshot = after.snapshot_version;
  expect(commit.chat).toEqual(after);
  expect(commit.before?.snapshot_version).toBe(before.snapshot_version);
  expect(commit.before?.status).toBe(before.status);
  expect(commit.deleted).toBe(false);
  expect(commit.messages).toEqual(await messagesOf(after.id, snapshot));
  const [cut] = await world.sql<{ cut: boolean }>(
    `select exists (select from parley.chat_messages where chat_id = $1 and deleted and revision = $2) as cut`,
    [after.id, snapshot],
  );
  expect(commit.historyCut).toBe(cut?.cut);
  if (after.queue_version !== snapshot) expect(commit.queue).toBeNull();
  else {
    const rows = await world.sql<{ id: number }>(
      `select id from parley.chat_queue where chat_id = $1 order by rank, id`,
      [after.id],
    );
    expect(commit.queue?.map(({ id, position }) => ({ id, position }))).toEqual(
      rows.map(({ id }, position) => ({ id, position })),
    );
  }
  expect(commit.actions !== null).toBe(after.status === "requires_action");
  if (commit.actions) {
    expect(commit.actions.length).toBeGreaterThan(0);
    const [earliest] = commit.actions.map((action) => action.deadline_at ?? "").sort();
    expect(after.requires_action_deadline_at?.toISOString()).toBe(earliest);
  }
}

async function read(id: string): Promise<ChatRow | null> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return row ?? null;
}

async function messagesOf(id: string, revision: number): Promise<MessageRow[]> {
  return await world.sql<MessageRow>(
    `select id, chat_id, revision, role, visibility, parts, model, reasoning_effort, usage, finish_reason, episode,
       created_by, client_id, is_boundary, replaces, response_format, model_settings, deleted, created_at
     from parley.chat_messages where chat_id = $1 and revision = $2 and not deleted order by id`,
    [id, revision],
  );
}
