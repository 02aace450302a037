import { expect, test } from "vitest";
import { Scope } from "./scope.ts";

const failOnError = (error: unknown): never => {
  throw error;
};

test("stop aborts, then goes back through runs and clean-ups in reverse, awaiting each", async () => {
  const scope = new Scope(failOnError);
  const order: string[] = [];
  scope.defer("pool", () => void order.push("pool"));
  void scope.run("loop", async (signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await Promise.resolve();
    order.push("loop");
  });
  scope.defer("socket", async () => {
    await Promise.resolve();
    order.push("socket");
  });
  await scope.stop();
  expect(order).toEqual(["socket", "loop", "pool"]);
});

test("errors of runs and clean-ups go to the handler and stop nothing else", async () => {
  const errors: [unknown, string][] = [];
  const scope = new Scope((error, label) => errors.push([error, label]));
  let released = false;
  scope.defer("last", () => (released = true));
  await scope.run("work", () => Promise.reject(new Error("work broke")));
  scope.defer("cleanup", () => {
    throw new Error("cleanup broke");
  });
  await scope.stop();
  expect(errors.map(([error, label]) => [(error as Error).message, label])).toEqual([
    ["work broke", "work"],
    ["cleanup broke", "cleanup"],
  ]);
  expect(released).toBe(true);
});

test("work that ends with the scope's own abort is no error", async () => {
  const errors: unknown[] = [];
  const scope = new Scope((error) => errors.push(error));
  void scope.run("work", async (signal) => {
    await new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  });
  await scope.stop();
  expect(errors).toEqual([]);
});

test("after stop has begun nothing is started, and what was opened is closed", async () => {
  const scope = new Scope(failOnError);
  const order: string[] = [];
  scope.signal.addEventListener("abort", () => {
    void scope.run("late", async () => void order.push("ran"));
    scope.defer("late", () => void order.push("closed"));
  });
  await scope.stop();
  expect(order).toEqual(["closed"]);
  scope.defer("later", () => void order.push("closed too"));
  await scope.stop();
  expect(order).toEqual(["closed", "closed too"]);
});

test("every stop waits for the whole of it", async () => {
  const scope = new Scope(failOnError);
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer("slow", () => promise);
  let stopped = 0;
  const both = [scope.stop().then(() => stopped++), scope.stop().then(() => stopped++)];
  await Promise.resolve();
  expect(stopped).toBe(0);
  resolve();
  await Promise.all(both);
  expect(stopped).toBe(2);
});

test("a child stops in its place in the order, or alone before", async () => {
  const scope = new Scope(failOnError);
  const order: string[] = [];
  scope.defer("first", () => void order.push("first"));
  const child = scope.child("child");
  child.defer("in child", () => void order.push("in child"));
  scope.defer("last", () => void order.push("last"));
  const early = scope.child("early");
  early.defer("in early", () => void order.push("in early"));
  await early.stop();
  expect(order).toEqual(["in early"]);
  await scope.stop();
  expect(order).toEqual(["in early", "last", "in child", "first"]);
  expect(child.signal.aborted).toBe(true);
});
