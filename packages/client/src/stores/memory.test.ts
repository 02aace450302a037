import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ChatEvent } from "@parley/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  chatId,
  delta,
  episode,
  historyReset,
  message,
  ready,
  status,
  text,
} from "../../test/events.ts";
import { startStoreWorld, until, type StoreWorld } from "../../test/store-world.ts";

const turnsCount = 1_000;
const partsPerTurn = 50;

/** What the page shows of a turn, in bytes of text: a question and a reply of some paragraphs. */
const question = "What is to be said about this? ".repeat(4);
const word = "some words of it ";
const textBytes = question.length + word.length * partsPerTurn;

/** A turn's own text held once, its messages as objects, and room for the engine's bookkeeping. */
const bytesPerTurnMax = 6_000;

let world: StoreWorld;
beforeEach(async () => {
  world = await startStoreWorld();
});
afterEach(() => world.close());

it("holds a thousand turns in little more than their text", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heap = async () => {
    // Twice, with a turn of the loop between them: sockets let go of their buffers late.
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    return process.memoryUsage().heapUsed;
  };
  const store = world.stores.chat(chatId);
  store.subscribe(() => {});
  const stream = await world.server.stream();
  stream.send([historyReset(), status("waiting"), ready]);
  await until(store, ({ transcript }) => transcript.ready);
  const before = await heap();
  let updates = 0;
  store.subscribe(() => void updates++);
  for (let turn = 1; turn <= turnsCount; turn++) {
    for (const frame of framesOf(turn)) stream.send(frame);
    // oxlint-disable-next-line no-await-in-loop
    await until(store, ({ transcript }) => transcript.messages.length === turn * 2);
  }
  const bytes = (await heap()) - before;
  process.stdout.write(
    `${turnsCount} turns in one store: ${(bytes / 1024 / 1024).toFixed(1)} MB of heap, ${Math.round(bytes / turnsCount)} bytes per turn with ${textBytes} bytes of text, ${updates} updates\n`,
  );
  expect(store.getState().transcript.messages).toHaveLength(2 * turnsCount);
  expect(bytes / turnsCount).toBeLessThan(bytesPerTurnMax);
});

function framesOf(turn: number): ChatEvent[][] {
  const asked = message(2 * turn - 1, 2 * turn - 1, {
    role: "user",
    parts: [text(question)],
    client_id: `client-${turn}`,
  });
  const name = episode(2 * turn - 1, 1);
  const parts = Array.from({ length: partsPerTurn }, (_, n) => delta(name, n + 1, word));
  const reply = message(2 * turn, 2 * turn, {
    parts: [text(word.repeat(partsPerTurn))],
    episode: name,
    usage: { input_tokens: 100, output_tokens: 50 },
    finish_reason: "stop",
  });
  return [
    [{ type: "message", data: asked }, status("running", asked.id)],
    parts.slice(0, 25),
    parts.slice(25),
    [{ type: "message", data: reply }, status("waiting", asked.id)],
  ];
}
