import type { LanguageModelV4 } from "@ai-sdk/provider";
import { expect, it } from "vitest";
import { Clients, clientsMax } from "./clients.ts";

it("makes what a model is called with once, and holds no more of them than it may", () => {
  const made: string[] = [];
  const clients = new Clients((modelId) => {
    made.push(modelId);
    return { modelId } as LanguageModelV4;
  });
  expect(clients.of("a")).toBe(clients.of("a"));
  expect(clients.of("b")).not.toBe(clients.of("a"));
  expect(made).toEqual(["a", "b"]);
  for (let i = 0; i < clientsMax; i++) clients.of(`other ${i}`);
  expect(clients.of("a").modelId).toBe("a");
  expect(made.filter((modelId) => modelId === "a")).toHaveLength(2);
});
