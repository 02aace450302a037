import { fileURLToPath } from "node:url";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:net";
import type { Json } from "@parley/protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../test/eventually.ts";
import {
  startMcpHttp,
  type McpHttpOptions,
  type McpHttpServer,
  type McpScript,
} from "../../../test/mcp-server.ts";
import { temporaryFolder } from "../../../test/server-process.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import { ToolRegistry } from "../registry.ts";
import type { Tool } from "../tool.ts";
import type { HttpEndpoint, McpServerDefinition, StdioEndpoint } from "./definition.ts";
import { idempotencyMetaKey, McpTools } from "./mcp-tools.ts";

const child = fileURLToPath(new URL("../../../test/mcp-stdio-child.ts", import.meta.url));

const stdio: StdioEndpoint = {
  type: "stdio",
  command: process.execPath,
  args: ["--no-warnings", child],
  env: { GREETING: "hello" },
  cwd: null,
};

const http = (url: string, more: Partial<HttpEndpoint> = {}): HttpEndpoint => ({
  type: "http",
  url,
  headers: {},
  auth: null,
  ...more,
});

const define = (
  endpoint: McpServerDefinition["endpoint"],
  more: Partial<McpServerDefinition> = {},
): McpServerDefinition => ({
  name: "s",
  endpoint,
  allow: null,
  deny: [],
  approval: "never",
  delivery: "annotated",
  timeoutMs: 60_000,
  outputBytesMax: 64 * 1024,
  ...more,
});

function tools(servers: McpServerDefinition[], logger: Logger = silentLogger): McpTools {
  const mcp = new McpTools({
    servers,
    version: "0.0.0",
    clock: systemClock,
    random: seededRandom(1),
    logger,
  });
  onTestFinished(async () => await mcp.stop());
  return mcp;
}

async function server(options: McpHttpOptions = {}): Promise<McpHttpServer> {
  const started = await startMcpHttp(options);
  onTestFinished(async () => await started.close());
  return started;
}

interface CallOptions {
  signal?: AbortSignal;
  progress?: (value: Json) => void;
}

async function call(
  tool: Tool | undefined,
  input: Json = {},
  { signal = new AbortController().signal, progress = () => {} }: CallOptions = {},
): Promise<Json> {
  if (tool === undefined) throw new Error("no such tool");
  return await tool.execute(input, {
    signal,
    idempotencyKey: "the key",
    progress,
    chatId: "chat",
    idle: async (wait) => await wait(),
  });
}

const names = (mcp: McpTools): string[] => mcp.source.list().map(({ name }) => name);

const usual = [
  "s__bad_name",
  "s__big",
  "s__data",
  "s__die",
  "s__echo",
  "s__env",
  "s__fail",
  "s__grow",
  "s__picture",
  "s__pid",
  "s__wait",
];

describe.each(["http", "stdio"] as const)("a server over %s", (kind) => {
  async function setup(
    script: McpScript = {},
    more: Partial<McpServerDefinition> = {},
  ): Promise<McpTools> {
    const endpoint = kind === "stdio" ? stdio : http((await server({ script })).url);
    const mcp = tools([define(endpoint, more)]);
    await mcp.start();
    return mcp;
  }

  test("offers its tools under its name, in a fixed order, and runs them", async () => {
    const mcp = await setup();
    expect(names(mcp).map((name) => name.replace(/(?<=bad_name)_[0-9a-f]{8}$/, ""))).toEqual(usual);
    for (const name of names(mcp)) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    const echo = mcp.source.get("s__echo");
    expect(echo).toMatchObject({
      description: "Says it again.",
      inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
      delivery: "at_least_once",
      approval: false,
    });
    expect(mcp.source.get("s__pid")?.delivery).toBe("at_most_once");
    expect(await call(echo, { text: "hä?\0" })).toBe("hä?\ufffd");
    const odd = names(mcp).find((name) => name.startsWith("s__bad"));
    expect(await call(mcp.source.get(odd ?? ""))).toBe("it has a bad name");
    expect(mcp.status()).toEqual([{ server: "s", tools: usual.length, problem: null }]);
  });

  test("gives text, data, pictures and resources in their forms, cut to their limit", async () => {
    const mcp = await setup({}, { outputBytesMax: 1_000 });
    expect(await call(mcp.source.get("s__data"))).toEqual({ a: 1 });
    const big = (await call(mcp.source.get("s__big"))) as string;
    expect(big).toMatch(/^x+\n\n\[… 300003 bytes, cut to 1000 …\]\n\nx+END$/);
    expect(await call(mcp.source.get("s__picture"))).toEqual({
      content: [
        { type: "text", text: "look" },
        { type: "file", media_type: "image/png", data: expect.stringMatching(/^iVBOR/) },
        { type: "resource", uri: "file:///a.txt", title: "a" },
        { type: "text", text: "file:///b.txt\n\ninside b" },
        { type: "file", media_type: "application/x", data: "AAEC", filename: "c.bin" },
      ],
    });
  });

  test("a failure, a refusal and a wrong argument are the call's result", async () => {
    const mcp = await setup();
    await expect(call(mcp.source.get("s__fail"))).rejects.toThrow(/^the disk is full$/);
    await expect(call(mcp.source.get("s__echo"), { text: 1 })).rejects.toThrow(/text/);
    expect(mcp.source.get("s__echo")?.validate([])).toMatchObject({ ok: false });
    expect(mcp.source.get("s__nothing")).toBeUndefined();
    expect(mcp.source.get("other__echo")).toBeUndefined();
  });

  test("passes progress on, and a stop ends the call at once", async () => {
    const mcp = await setup();
    const stop = new AbortController();
    const seen: Json[] = [];
    const running = call(
      mcp.source.get("s__wait"),
      {},
      {
        signal: stop.signal,
        progress: (value) => {
          seen.push(value);
          stop.abort(new Error("stopped by the user"));
        },
      },
    );
    await expect(running).rejects.toThrow("stopped by the user");
    expect(seen).toEqual([{ progress: 1, total: 2, message: "half" }]);
    // The connection is as good as before.
    expect(await call(mcp.source.get("s__echo"), { text: "still here" })).toBe("still here");
  });
});

describe("a process", () => {
  test("gets its own environment and nothing of ours, and ends with us", async () => {
    process.env["PARLEY_TEST_SECRET"] = "secret";
    const mcp = tools([define(stdio)]);
    await mcp.start();
    const env = JSON.parse((await call(mcp.source.get("s__env"))) as string) as object;
    expect(env).toMatchObject({ GREETING: "hello", PATH: process.env["PATH"] });
    expect(env).not.toHaveProperty("PARLEY_TEST_SECRET");
    const pid = Number(await call(mcp.source.get("s__pid")));
    expect(isAlive(pid)).toBe(true);
    await mcp.stop();
    await eventually("the process is gone", () => !isAlive(pid));
  });

  test("that dies in the middle of a call leaves an unknown outcome, and is started again for the next", async () => {
    const mcp = tools([define(stdio)]);
    await mcp.start();
    const first = await call(mcp.source.get("s__pid"));
    await expect(call(mcp.source.get("s__die"))).rejects.toThrow(
      /"s" broke during the call \(it closed the connection\): it may have taken effect or not/,
    );
    expect(names(mcp)).toHaveLength(usual.length);
    const second = await call(mcp.source.get("s__pid"));
    expect(second).not.toBe(first);
    // Killed from outside, while it waits.
    const waiting = call(
      mcp.source.get("s__wait"),
      {},
      { progress: () => process.kill(Number(second), "SIGKILL") },
    );
    await expect(waiting).rejects.toThrow(/may have taken effect or not/);
    expect(await call(mcp.source.get("s__echo"), { text: "again" })).toBe("again");
  });

  test("that cannot be started costs one warning", async () => {
    const { logger, lines } = listening();
    const mcp = tools([define({ ...stdio, command: "/no/such/program" })], logger);
    await mcp.start();
    expect(names(mcp)).toEqual([]);
    expect(mcp.status()[0]?.problem).toBe("its program cannot be found");
    await expect(call(mcp.source.get("s__echo"))).rejects.toThrow(/its program cannot be found/);
    expect(lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
  });
});

describe("tools that change", () => {
  test("are heard of over stdio", async () => {
    const mcp = tools([define(stdio)]);
    await mcp.start();
    await call(mcp.source.get("s__grow"), { name: "grown" });
    await eventually("the tool is listed", () => names(mcp).includes("s__grown"));
    expect(await call(mcp.source.get("s__grown"))).toBe("I am grown");
  });

  test("are heard of over HTTP", async () => {
    const script: McpScript = { extra: [] };
    const remote = await server({ script });
    const mcp = tools([define(http(remote.url))]);
    await mcp.start();
    expect(names(mcp)).not.toContain("s__late");
    script.extra?.push("late");
    remote.toolsChanged();
    await eventually("the tool is listed", () => names(mcp).includes("s__late"));
    expect(await call(mcp.source.get("s__late"))).toBe("late");
  });
});

describe("over HTTP", () => {
  test("credentials and headers go along, and the key that tells a repeat", async () => {
    const metas: unknown[] = [];
    const remote = await server({
      token: "right",
      script: { onCall: (_tool, _args, meta) => metas.push(meta) },
    });
    const folder = await temporaryFolder();
    onTestFinished(folder.remove);
    const path = join(folder.path, "token");
    await writeFile(path, "wrong\n");
    const headers = { "x-tenant": "acme" };
    const mcp = tools([
      define(http(remote.url, { headers, auth: { type: "bearer", token: "right" } }), {
        name: "a",
      }),
      define(http(remote.url, { headers, auth: { type: "bearer_file", path } }), { name: "b" }),
    ]);
    await mcp.start();
    expect(await call(mcp.source.get("a__echo"), { text: "x" })).toBe("x");
    expect(metas).toEqual([expect.objectContaining({ [idempotencyMetaKey]: "the key" })]);
    expect(remote.seen.every((each) => each.headers["x-tenant"] === "acme")).toBe(true);
    expect(mcp.status()[1]).toEqual({
      server: "b",
      tools: null,
      problem: "it refuses the credentials",
    });
    await writeFile(path, "right\n");
    await eventually("the tool is listed", () => names(mcp).includes("b__echo"));
  });

  test("a cancelled call is cancelled at the server", async () => {
    const cancelled = Promise.withResolvers<void>();
    const remote = await server({ script: { onCancel: cancelled.resolve } });
    const mcp = tools([define(http(remote.url))]);
    await mcp.start();
    const stop = new AbortController();
    const running = call(
      mcp.source.get("s__wait"),
      {},
      { signal: stop.signal, progress: () => stop.abort() },
    );
    await expect(running).rejects.toThrow(/abort/i);
    await cancelled.promise;
  });

  test("a server that is silent holds up nobody: not the start, not the list, not the stop", async () => {
    const remote = await server({ silent: true });
    const good = await server();
    const mcp = tools([
      define(http(remote.url), { name: "silent" }),
      define(http(good.url), { name: "good" }),
    ]);
    await mcp.known([define(http(good.url), { name: "good" })], 10_000);
    await mcp.known([define(http(remote.url), { name: "silent" })], 50);
    expect(names(mcp).every((name) => name.startsWith("good__"))).toBe(true);
    // A name of it that a model knows from another replica: the call waits for it, as long as it is let.
    const tool = mcp.source.get("silent__echo");
    expect(tool?.delivery).toBe("at_most_once");
    const stop = new AbortController();
    const running = call(tool, { text: "x" }, { signal: stop.signal });
    stop.abort(new Error("stopped by the user"));
    await expect(running).rejects.toThrow("stopped by the user");
    await mcp.stop();
  });

  test("a server that goes away keeps its last known tools, is told of once, and comes back", async () => {
    const { logger, lines } = listening();
    const first = await startMcpHttp();
    const port = Number(new URL(first.url).port);
    const mcp = tools([define(http(first.url))], logger);
    await mcp.start();
    await first.close();
    const before = names(mcp);
    expect(before).toHaveLength(usual.length);
    for (const _ of [1, 2, 3]) {
      await expect(call(mcp.source.get("s__echo"), { text: "x" })).rejects.toThrow(
        /"s" cannot be reached now \(nothing listens there\). The call was not made/,
      );
    }
    expect(names(mcp)).toEqual(before);
    await server({ port });
    expect(await call(mcp.source.get("s__echo"), { text: "back" })).toBe("back");
    expect(lines.filter((line) => line.startsWith("warn")).length).toBeLessThanOrEqual(1);
  });

  test("one connection serves every chat that names the same endpoint, and no other", async () => {
    const remote = await server();
    const mcp = tools([]);
    const asks = (): number => remote.seen.length;
    const mine = define(http(remote.url), { name: "mine", deny: ["*i*"] });
    await mcp.known([mine], 10_000);
    const handshake = asks();
    const yours = define(http(remote.url), { name: "yours", allow: ["echo", "p*"] });
    expect(
      mcp
        .of([yours])
        .list()
        .map(({ name }) => name),
    ).toEqual(["yours__echo", "yours__picture", "yours__pid"]);
    expect(mcp.of([mine]).get("mine__picture")).toBeUndefined();
    expect(await call(mcp.of([yours]).get("yours__echo"), { text: "x" })).toBe("x");
    expect(asks()).toBe(handshake + 1);
    const other = define(http(remote.url, { headers: { "x-user": "2" } }));
    await mcp.known([other], 10_000);
    expect(asks()).toBeGreaterThan(handshake + 1);
  });
});

describe("a definition", () => {
  test("says what needs approval and how often a call may run", async () => {
    const remote = await server();
    const of = (more: Partial<McpServerDefinition>) => {
      const definition = define(http(remote.url), more);
      return { definition, tool: (name: string) => mcp.of([definition]).get(name) };
    };
    const mcp = tools([]);
    const careful = of({ approval: "unless_read_only" });
    // Before anything is known of it, a tool is not taken for harmless.
    expect(careful.tool("s__echo")).toMatchObject({ approval: true, delivery: "at_most_once" });
    await mcp.known([careful.definition], 10_000);
    expect(careful.tool("s__echo")).toMatchObject({ approval: false, delivery: "at_least_once" });
    expect(careful.tool("s__pid")).toMatchObject({ approval: true, delivery: "at_most_once" });
    const strict = of({ approval: "always", delivery: "at_most_once" });
    expect(strict.tool("s__echo")).toMatchObject({ approval: true, delivery: "at_most_once" });
  });

  test("gives way to a registered tool of the same name", async () => {
    const remote = await server();
    const mcp = tools([define(http(remote.url))]);
    await mcp.start();
    const registry = new ToolRegistry();
    registry.addSource(mcp.source);
    expect(registry.offers("any/model").map(({ name }) => name)).toEqual(names(mcp));
    const own = { ...(mcp.source.get("s__echo") as Tool), description: "mine" };
    registry.register(own);
    expect(registry.get("s__echo")).toBe(own);
    expect(registry.offers("any/model").filter(({ name }) => name === "s__echo")).toEqual([
      expect.objectContaining({ description: "mine" }),
    ]);
  });
});

test("an answer that is no MCP, and one without end, are a problem and not a crash", async () => {
  const garbage = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
      const fill = (): void => {
        while (!socket.destroyed && socket.write("[".repeat(1 << 20)));
      };
      socket.on("drain", fill);
      fill();
    });
  });
  await new Promise<void>((resolve) => garbage.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void garbage.close());
  const { port } = garbage.address() as { port: number };
  const mcp = tools([define(http(`http://127.0.0.1:${port}/`))]);
  await mcp.known([define(http(`http://127.0.0.1:${port}/`))], 30_000);
  expect(mcp.status()[0]?.problem).toMatch(/larger than|closed/);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function listening(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return { logger, lines };
}
