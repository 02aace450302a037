import { describe, expect, test, type TestContext } from "vitest";
import { eventually } from "./eventually.ts";
import { follow, previewText, settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectNeverBlank,
  expectSoundStream,
  onlooker,
  readies,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { rigOf, type Rig } from "./rig.ts";

/** The server killed with -9 at bad moments. Each test has a server and a database of its own. */

const wire = "openai-responses";
const model = "openai/scripted";
const never = new Promise<void>(() => {});

function watched({ onTestFinished }: TestContext, { client }: Rig, chatId: string): Onlooker {
  const screen = onlooker(client, chatId);
  onTestFinished(async () => await screen.close());
  return screen;
}

const half = ["The first ", "half of ", "the reply, "];
const halfText = half.join("");

/** A reply that has got as far as its first half, on the screen and in the checkpoint, and the server killed then. */
async function killedHalfway(
  context: TestContext,
  rig: Rig,
): Promise<{ chatId: string; screen: Onlooker }> {
  rig.provider.enqueue(wire, textScript(wire, [...half, "never said"], { 3: never }));
  const { chat } = await rig.client.createChat({ content: "Go.", model });
  const screen = watched(context, rig, chat.id);
  await screen.until("the first half is on the screen", (t) => previewText(t) === halfText);
  await rig.checkpointed(chat.id, screen.transcript.preview?.seq ?? Infinity);
  await rig.kill();
  return { chatId: chat.id, screen };
}

describe.concurrent("kill -9", () => {
  test("in the middle of a reply: the chat goes on by itself and the stream with it, nothing lost or doubled (C34)", async (context) => {
    const rig = await rigOf(context);
    const { chatId, screen } = await killedHalfway(context, rig);
    const again = gate();
    rig.provider.enqueue(wire, textScript(wire, ["Said ", "anew."], { 0: again.promise }));
    await rig.restart();

    await rig.provider.request(1);
    const reconnected = (_: unknown, events: Onlooker["events"]): boolean => readies(events) === 2;
    await screen.until("the subscriber is back", reconnected);
    // Nobody has anything better to show yet: not who stayed, and not who comes now.
    expect(previewText(screen.transcript)).toBe(halfText);
    const joined = await follow(rig.client, chatId, { until: ({ ready }) => ready });
    expect(previewText(joined.transcript)).toBe(halfText);

    again.open();
    await screen.until("the reply is whole", settled);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Go.", "Said anew."]);
    expect(messages[1]?.finish_reason).toBe("stop");
    expectSoundStream(screen.events);
    expectNeverBlank(screen.events);
    expect(screen.events.filter(({ type }) => type === "history_reset")).toHaveLength(1);
    expect(rig.provider.requests).toHaveLength(2);
  });

  test("and a stop before anybody has gone on: what was said is kept, and the model is not called (C02)", async (context) => {
    const rig = await rigOf(context);
    const { chatId, screen } = await killedHalfway(context, rig);
    // It serves the API and drives nothing: the stop comes before the chat is taken over, for certain.
    await rig.restart({ PARLEY_CAPACITY: "0" });
    const { chat, pending } = await rig.client.interrupt(chatId);
    expect({ status: chat.status, pending }).toEqual({ status: "interrupting", pending: false });
    const stopping = rig.client.interrupt(chatId, { wait: true });
    await rig.another();

    // With what was kept, where that is committed before the wait is over.
    const { message } = await stopping;
    await screen.until("the kept partial is told", settled);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Go.", halfText]);
    expect(messages[1]).toMatchObject({ role: "assistant", finish_reason: "interrupted" });
    if (message !== null) expect(message).toEqual(messages[1]);
    expectSoundStream(screen.events);
    expectNeverBlank(screen.events);
    expect(rig.provider.requests).toHaveLength(1);

    await rig.client.sendMessage(chatId, { content: "And now?" });
    await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 4);
    await expectEqualToDatabase(rig.client, chatId, screen);
  });

  test("and a stop when the next attempt has said nothing yet: what was on the screen is kept", async (context) => {
    const rig = await rigOf(context);
    const { chatId, screen } = await killedHalfway(context, rig);
    rig.provider.enqueue(wire, textScript(wire, ["too late"], { 0: never }));
    await rig.restart();
    const { ended } = await rig.provider.request(1);
    await rig.client.interrupt(chatId, { wait: true });
    expect(await ended).toBe("client_left");
    await screen.until("the kept partial is told", settled);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Go.", halfText]);
    expect(messages[1]?.finish_reason).toBe("interrupted");
    expectSoundStream(screen.events);
    expectNeverBlank(screen.events);
  });

  test("during a batch of tools: what has finished counts, what may run again does", async (context) => {
    const rig = await rigOf(context);
    const { chat } = await rig.client.createChat({
      content: 'call roll_dice {"count": 20, "sides": 1000} and call wait {"seconds": 8}',
      model: "demo/fast",
    });
    const screen = watched(context, rig, chat.id);
    const rolled = await eventually("the dice are rolled, the other still waits", async () => {
      const rows = await executions(rig, chat.id);
      return rows[0]?.state === "finished" && rows[1]?.state !== "finished" && rows[0];
    });
    await rig.kill();
    await rig.restart();
    await screen.until("the turn is over", settled);
    const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
    const [dice, wait] = messages[2]?.parts ?? [];
    expect(dice).toMatchObject({
      tool_name: "roll_dice",
      is_error: false,
      output: rolled.result?.output,
    });
    expect(wait).toMatchObject({ tool_name: "wait", output: { waited_seconds: 8 } });
    expect(await executions(rig, chat.id)).toEqual([
      rolled,
      expect.objectContaining({ tool_name: "wait", state: "finished" }),
    ]);
    expectSoundStream(screen.events);
  });

  test("during a call that must not run twice: its outcome is unknown, and said to be", async (context) => {
    const rig = await rigOf(context);
    // The call has run, and its result is on its way to the ledger for as long as somebody holds this lock.
    await rig.sql(`
      create function public.hold_back() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(4711); return new; end $$`);
    await rig.sql(`
      create trigger hold_back before update on parley.tool_executions for each row
      when (new.state = 'finished') execute function public.hold_back()`);
    await rig.sql(`select pg_advisory_lock(4711)`);
    const { chat } = await rig.client.createChat({
      content: "call roll_dice {}",
      model: "demo/fast",
    });
    const screen = watched(context, rig, chat.id);
    await eventually("its result waits for the lock", async () => {
      const [row] = await executions(rig, chat.id);
      const waiting = await rig.sql(waitingFor4711);
      return row?.state === "started" && waiting.length > 0;
    });
    await rig.kill();
    await rig.sql(`select pg_terminate_backend(pid) from (${waitingFor4711}) w`);
    await rig.sql(`drop trigger hold_back on parley.tool_executions`);
    await rig.restart();

    await screen.until("the turn is over", settled);
    const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
    expect(messages[2]?.parts).toHaveLength(1);
    expect(messages[2]?.parts[0]).toMatchObject({ type: "tool-result", is_error: true });
    expect(JSON.stringify(messages[2]?.parts)).toMatch(/outcome unknown|outcome is unknown/i);
    expect(JSON.stringify(messages[2]?.parts)).not.toMatch(/cancel/i);
    expect(await executions(rig, chat.id)).toEqual([
      expect.objectContaining({ state: "unknown", tool_name: "roll_dice" }),
    ]);
    await rig.client.sendMessage(chat.id, { content: "Thank you." });
    await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 6);
  });
});

const waitingFor4711 = `select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`;

interface ExecutionRow {
  tool_name: string;
  state: string;
  result: { output: unknown } | null;
}

async function executions(rig: Rig, chatId: string): Promise<ExecutionRow[]> {
  return await rig.sql<ExecutionRow>(
    `select tool_name, state, result from parley.tool_executions where chat_id = '${chatId}' order by ordinal`,
  );
}
