import type { Part } from "@parley/protocol";
import { expect, test } from "vitest";
import { rowIn } from "../../test/rows.ts";
import { ScriptedModels } from "../../test/scripted-models.ts";
import type { ChatRow, MessageRow } from "../domain/rows.ts";
import type { ServerHealth } from "../tools/mcp/mcp-tools.ts";
import { ToolRegistry } from "../tools/registry.ts";
import type { WorkerMcp } from "./chat-tools.ts";
import { readyCall } from "./ready-call.ts";
import { emptyTranscript, extended } from "./tasks/transcript.ts";

const text: Part = { type: "text", text: "hi" };
const up: ServerHealth = { server: "a", state: "up" };

/** How many calls are made ready for a turn that begins like this. */
function made(
  row: Partial<ChatRow>,
  { parts = [text], health }: { parts?: Part[]; health?: ServerHealth[] } = {},
): number {
  const models = new ScriptedModels();
  const message = { id: 1, role: "user", visibility: "both", parts, is_boundary: false };
  const transcript = extended(emptyTranscript, 1, [message as unknown as MessageRow], []);
  const mcp = health === undefined ? null : ({ tools: { health: () => health } } as unknown);
  const services = { models, mcp: mcp as WorkerMcp | null, tools: new ToolRegistry() };
  const call = readyCall(services, rowIn(row), transcript);
  expect(call === null).toBe(models.prepared.length === 0);
  return models.prepared.length;
}

test("a call is made ready where everything for it is known", () => {
  expect(made({})).toBe(1);
  expect(made({}, { health: [] })).toBe(1);
  expect(made({}, { health: [up] })).toBe(1);
});

test("and not where the chat has a budget, which the call has to be reserved in", () => {
  const budget = { usd_micros: null, tokens: 1 };
  expect(made({ budget })).toBe(0);
  expect(made({ family_budget: budget })).toBe(0);
});

test("and not where files are to be read, or tool servers to be waited for or told of", () => {
  const file: Part = { type: "file", media_type: "text/plain", file_id: "f" };
  expect(made({}, { parts: [text, file] })).toBe(0);
  expect(made({}, { health: [up, { server: "b", state: "unknown" }] })).toBe(0);
  expect(made({}, { health: [{ server: "b", state: "down", problem: "gone" }] })).toBe(0);
  const own = [{ name: "own" }] as unknown as ChatRow["mcp_servers"];
  expect(made({ mcp_servers: own }, { health: [up] })).toBe(0);
  const told = [{ server: "a" }] as unknown as ChatRow["notices"];
  expect(made({ notices: told }, { health: [up] })).toBe(0);
});
