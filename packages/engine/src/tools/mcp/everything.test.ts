import type { Json } from "@parley/protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { everything, freePort, startEverything } from "../../../test/everything-server.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import type { McpEndpoint } from "./definition.ts";
import { McpTools } from "./mcp-tools.ts";

const overStdio = (): McpEndpoint => ({
  type: "stdio",
  command: process.execPath,
  args: [everything, "stdio"],
  env: {},
  cwd: null,
});

async function connect(endpoint: McpEndpoint): Promise<McpTools> {
  const mcp = new McpTools({
    servers: [
      {
        name: "e",
        endpoint,
        allow: null,
        deny: [],
        approval: "never",
        delivery: "annotated",
        timeoutMs: 60_000,
        outputBytesMax: 65_536,
      },
    ],
    version: "0",
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  onTestFinished(async () => await mcp.stop());
  await mcp.start();
  return mcp;
}

async function call(
  mcp: McpTools,
  name: string,
  input: Json = {},
  progress: (value: Json) => void = () => {},
): Promise<Json> {
  const tool = mcp.source.get(`e__${name}`);
  if (tool === undefined) throw new Error(`no tool ${name}`);
  const { signal } = new AbortController();
  const context = { signal, progress, idempotencyKey: "k", chatId: "c" };
  return await tool.execute(input, { ...context, idle: async (wait) => await wait() });
}

describe.each(["stdio", "http"] as const)("the reference server over %s", (kind) => {
  test("is understood", async () => {
    let endpoint = overStdio();
    if (kind === "http") {
      const port = await freePort();
      await startEverything(port);
      endpoint = { type: "http", url: `http://127.0.0.1:${port}/mcp`, headers: {}, auth: null };
    }
    const mcp = await connect(endpoint);
    expect(await call(mcp, "echo", { message: "hi" })).toBe("Echo: hi");
    expect(await call(mcp, "get-sum", { a: 2, b: 3 })).toMatch(/\b5\b/);
    expect(await call(mcp, "get-tiny-image")).toMatchObject({
      content: expect.arrayContaining([
        expect.objectContaining({ type: "file", media_type: "image/png" }),
      ]),
    });
    const progress: Json[] = [];
    await call(mcp, "trigger-long-running-operation", { duration: 1, steps: 2 }, (value) =>
      progress.push(value),
    );
    expect(progress).toContainEqual(expect.objectContaining({ total: 2 }));
    await expect(call(mcp, "get-sum", { a: "x" })).rejects.toThrow(/number/);
  });
});

test("a server that has forgotten the session is asked for a new one, and the call is made", async () => {
  const port = await freePort();
  const first = await startEverything(port);
  const url = `http://127.0.0.1:${port}/mcp`;
  const mcp = await connect({ type: "http", url, headers: {}, auth: null });
  expect(await call(mcp, "echo", { message: "one" })).toBe("Echo: one");
  const gone = new Promise((resolve) => first.once("exit", resolve));
  first.kill("SIGKILL");
  await gone;
  await startEverything(port);
  expect(await call(mcp, "echo", { message: "two" })).toBe("Echo: two");
});
