import { expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../lib/manual-clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import { Scope } from "../../lib/scope.ts";
import { chatDefinition } from "./chat-definition.ts";
import { ConnectionPool } from "./connection-pool.ts";
import type { McpServerDefinition } from "./definition.ts";
import type { Session } from "./dial.ts";

const connectionsMax = 256;
const minuteMs = 60_000;

const definition = (n: number): McpServerDefinition =>
  chatDefinition({ name: "s", url: `https://s${n}.example.com/mcp` });

/** Servers that all answer, and whose calls end when they are told to. */
function pool(call: Session["call"] = async () => ({ content: [] })) {
  const clock = new ManualClock();
  const scope = new Scope(() => {});
  const closed: string[] = [];
  onTestFinished(async () => await scope.stop());
  const connections = new ConnectionPool({
    pinned: [],
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    scope,
    dial: async (endpoint) => ({
      listed: [],
      list: async () => [],
      call,
      close: async () => void closed.push(endpoint.type === "http" ? endpoint.url : ""),
    }),
  });
  return { clock, connections, closed };
}

test("is full at a point, and has room again when what nobody uses has been given up", async () => {
  const { clock, connections } = pool();
  for (let n = 0; n < connectionsMax; n++) expect(connections.get(definition(n))).not.toBeNull();
  expect(connections.get(definition(connectionsMax))).toBeNull();
  expect(connections.get(definition(0))).not.toBeNull();
  await clock.advance(11 * minuteMs);
  connections.get(definition(0))?.touch();
  expect(connections.get(definition(connectionsMax))).not.toBeNull();
});

test("gives up nothing on which a call runs", async () => {
  const gate = Promise.withResolvers<void>();
  const { clock, connections, closed } = pool(async () => {
    await gate.promise;
    return { content: [{ type: "text", text: "late" }] };
  });
  const busy = connections.get(definition(0));
  const idle = connections.get(definition(1));
  const { signal } = new AbortController();
  await busy?.known(signal);
  await idle?.known(signal);
  const call = {
    tool: "t",
    args: {},
    signal,
    timeoutMs: 3_600_000,
    meta: {},
    onProgress: () => {},
  };
  const running = busy?.call(call);
  await clock.advance(61 * minuteMs);
  connections.get(definition(2));
  expect(connections.get(definition(0))).toBe(busy);
  expect(connections.get(definition(1))).not.toBe(idle);
  gate.resolve();
  expect(await running).toMatchObject({ content: [{ text: "late" }] });
  expect(closed).not.toContain("https://s0.example.com/mcp");
});
