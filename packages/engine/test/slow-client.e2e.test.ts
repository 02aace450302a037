import { randomBytes } from "node:crypto";
import { applyEvent, emptyTranscript, type Transcript } from "@parley/client";
import type { ChatEvent } from "@parley/protocol";
import { afterAll, beforeAll, expect, test, type TestContext } from "vitest";
import { WebSocket } from "ws";
import { eventually, within } from "./eventually.ts";
import { follow, previewText, settled } from "./follow.ts";
import { expectEqualToDatabase, expectSoundStream, onlooker, type Onlooker } from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { startRig, type Rig } from "./rig.ts";

/** A client that does not read, beside one of the same chat that does. */

const wire = "openai-chat";
const model = "openai-chat/scripted";

let rig: Rig;

beforeAll(async () => {
  rig = await startRig({ embedded: true });
});
afterAll(async () => {
  await rig?.close();
});

/** A connection whose socket is not read until it is told to. */
class Sleeper {
  readonly events: ChatEvent[] = [];
  transcript: Transcript = emptyTranscript;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;

  constructor(chatId: string) {
    const { url, token } = rig.server;
    const address = `${url.replace(/^http/, "ws")}/api/v1/chats/${chatId}/stream`;
    this.#socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
    this.#socket.on("message", (data: Buffer) => {
      for (const event of JSON.parse(data.toString("utf8")) as ChatEvent[]) {
        this.events.push(event);
        this.transcript = applyEvent(this.transcript, event);
      }
    });
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  async fallAsleep(): Promise<void> {
    await eventually("it has begun", () => this.transcript.ready);
    this.#socket.pause();
  }

  wake(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.terminate();
  }
}

async function sleeperOf({ onTestFinished }: TestContext, chatId: string): Promise<Sleeper> {
  const sleeper = new Sleeper(chatId);
  onTestFinished(() => sleeper.end());
  await sleeper.fallAsleep();
  return sleeper;
}

async function subscribers(): Promise<number> {
  const metrics = await (await fetch(`${rig.server.url}/metrics`)).text();
  return Number(/^parley_subscribers (\d+)$/m.exec(metrics)?.[1]);
}

const piecesPerReply = 8;
const pieceBytes = 96 * 1024;

/**
 * One turn in lockstep: the provider says the next piece when the subscriber has seen the one before. Gives how long
 * each took from the provider to the screen.
 */
async function turn(chatId: string, screen: Onlooker): Promise<number[]> {
  const pieces = Array.from({ length: piecesPerReply }, () =>
    randomBytes(pieceBytes / 2).toString("hex"),
  );
  const gates = pieces.map(() => gate());
  rig.provider.enqueue(
    wire,
    textScript(wire, pieces, Object.fromEntries(gates.map(({ promise }, at) => [at, promise]))),
  );
  const known = screen.transcript.messages.length;
  const call = rig.provider.requests.length;
  await rig.client.sendMessage(chatId, { content: "Go on." });
  await screen.until("the message", (t) => t.messages.length === known + 1);
  // The prompt holds all that was said before: what it takes to send it is not the stream's doing.
  await rig.provider.request(call);
  const took: number[] = [];
  for (const [at, each] of gates.entries()) {
    const opened = performance.now();
    each.open();
    const said = (at + 1) * pieceBytes;
    const whole = at + 1 === gates.length;
    // oxlint-disable-next-line no-await-in-loop -- that is the lockstep
    await screen.until(
      `piece ${at}`,
      (t) => previewText(t).length === said || (whole && settled(t)),
    );
    took.push(performance.now() - opened);
  }
  await screen.until("the turn is over", (t) => settled(t) && t.messages.length === known + 2);
  return took;
}

/** Far more than what a socket's buffers and an outbox hold together. */
const turnsMax = 60;
/** A machine that does much else may take its time; waiting for somebody who does not read would take for ever. */
const pieceMsMax = 2_000;

test("is closed with a code that asks it to come back, slows nobody, and catches up with its cursor", async (context) => {
  const { chat } = await rig.client.createChat({ content: "Hello.", model });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the first turn is over", settled);
  const alone = await turn(chat.id, screen);
  const sleeper = await sleeperOf(context, chat.id);
  expect(await subscribers()).toBe(2);

  const beside: number[] = [];
  let turns = 0;
  /* oxlint-disable no-await-in-loop -- one turn after the other */
  while ((await subscribers()) === 2) {
    expect(turns).toBeLessThan(turnsMax);
    beside.push(...(await turn(chat.id, screen)));
    turns += 1;
  }
  /* oxlint-enable no-await-in-loop */
  sleeper.wake();
  expect(await within("the end of the slow one's stream", sleeper.closed)).toEqual({
    code: 4001,
    reason: "slow_consumer",
  });
  // It was given time: some megabytes waited for it before it was given up.
  expect(turns).toBeGreaterThan(2);
  expect(Math.max(...beside)).toBeLessThan(pieceMsMax);
  expect(screen.connections.map(({ phase }) => phase)).toEqual(["connecting", "open"]);
  expectSoundStream(screen.events);
  expectSoundStream(sleeper.events);
  expect(sleeper.transcript.desync).toBe(false);
  await turn(chat.id, screen);

  const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
  expect(sleeper.transcript.messages.length).toBeLessThan(messages.length);
  const { transcript, events } = await follow(rig.client, chat.id, {
    cursor: sleeper.events.findLast(({ cursor }) => cursor !== undefined)?.cursor,
    from: { ...sleeper.transcript, ready: false },
    until: ({ ready }) => ready,
  });
  expect(transcript.messages).toEqual(messages);
  expect(transcript.preview).toBeNull();
  expect(events.map(({ type }) => type)).not.toContain("history_reset");
  // oxlint-disable-next-line no-console -- the figures that a reader of a failure wants
  console.log(
    `a piece took ${shown(alone)} alone, ${shown(beside)} beside a client that does not read`,
  );
});

function shown(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
  return `${at(0.5)} ms (p50), ${at(0.99)} ms (p99)`;
}

test("that falls behind within one reply gets it as a snapshot instead, and then what follows", async (context) => {
  const pieces = Array.from({ length: 30_000 }, (_, at) => `piece number ${at} of many; `);
  const [start, rest] = [gate(), gate()];
  rig.provider.enqueue(
    wire,
    textScript(wire, pieces, { 1: start.promise, [pieces.length - 1]: rest.promise }),
  );
  const { chat } = await rig.client.createChat({ content: "Go.", model });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the reply has begun", (t) => previewText(t) !== "");
  const sleeper = await sleeperOf(context, chat.id);
  start.open();
  const almost = pieces.slice(0, -1).join("").length;
  await screen.until("all but the last piece", (t) => previewText(t).length === almost);
  sleeper.wake();
  await eventually("it has caught up", () => previewText(sleeper.transcript).length === almost);
  rest.open();
  await screen.until("the reply is whole", settled);
  await eventually("the slow one has it too", () => settled(sleeper.transcript));

  const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
  expect(sleeper.transcript.messages).toEqual(messages);
  const parts = (events: readonly ChatEvent[]): number =>
    events.filter(({ type }) => type === "message_part").length;
  expect(parts(screen.events)).toBeGreaterThanOrEqual(pieces.length - 1);
  expect(parts(sleeper.events)).toBeLessThan(pieces.length - 1);
  expect(sleeper.events.filter(({ type }) => type === "preview_snapshot").length).toBeGreaterThan(
    1,
  );
  expectSoundStream(sleeper.events);
  expectSoundStream(screen.events);
});
