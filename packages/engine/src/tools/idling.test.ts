import { expect, test } from "vitest";
import { Idling } from "./idling.ts";

function setup(calls: number) {
  const told: boolean[] = [];
  const idling = new Idling(calls, async (idle) => void told.push(idle));
  return { told, all: Array.from({ length: calls }, () => idling.call()) };
}

test("a batch is idle when everything that has not ended waits", async () => {
  const { told, all } = setup(3);
  const [a, b, c] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
  const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
  const first = a.idle(async () => await gates[0].promise);
  await b.end();
  expect(told).toEqual([]);
  const second = c.idle(async () => await gates[1].promise);
  await Promise.resolve();
  expect(told).toEqual([true]);
  gates[0].resolve("a");
  expect(await first).toBe("a");
  expect(told).toEqual([true, false]);
  await a.end();
  expect(told).toEqual([true, false, true]);
  gates[1].resolve("c");
  await second;
  await c.end();
  expect(told).toEqual([true, false, true, false]);
});

test("a call that was ended while it waited counts no more, however its wait ends", async () => {
  const { told, all } = setup(1);
  const [call] = all as [(typeof all)[0]];
  const gate = Promise.withResolvers<void>();
  const waiting = call.idle(async () => {
    await call.idle(async () => {}); // waits inside a wait are one
    await gate.promise;
    throw new Error("late");
  });
  await Promise.resolve();
  await call.end();
  await call.end();
  expect(told).toEqual([true, false]);
  gate.resolve();
  await expect(waiting).rejects.toThrow("late");
  expect(told).toEqual([true, false]);
});

test("who goes on has its place back before it does", async () => {
  const order: string[] = [];
  const slow = Promise.withResolvers<void>();
  const idling = new Idling(1, async (idle) => {
    if (!idle) await slow.promise;
    order.push(idle ? "left" : "back");
  });
  const done = idling.call().idle(async () => {});
  const after = done.then(() => order.push("on"));
  slow.resolve();
  await after;
  expect(order).toEqual(["left", "back", "on"]);
});
