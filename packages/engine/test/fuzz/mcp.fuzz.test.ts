import { createServer, request, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { seededRandom } from "../../src/lib/random.ts";
import type { McpServerDefinition } from "../../src/tools/mcp/definition.ts";
import { McpTools } from "../../src/tools/mcp/mcp-tools.ts";
import { eventually, within } from "../eventually.ts";
import { startMcpHttp, type McpHttpServer } from "../mcp-server.ts";
import { fuzz, fuzzMsMax } from "./budget.ts";
import { mutated, mutations } from "./mutations.ts";

/** Whatever a tool server answers: a result or an error, in time, and nothing is left of the connection. */

type Bend = (body: Buffer, response: number) => Buffer;

/** For an answer that may never come. */
const bentMsMax = 1_000;
const endMsMax = 20_000;

let real: McpHttpServer;
let between: Server;
let bend: Bend = (body) => body;
let responses = 0;

beforeAll(async () => {
  real = await startMcpHttp();
  between = createServer((incoming, outgoing) => {
    // A stream of notifications would have no end that could be bent.
    if (incoming.method === "GET") {
      outgoing.writeHead(405).end();
      return;
    }
    const headers = { ...incoming.headers, host: new URL(real.url).host };
    void bodyOf(incoming).then((asked) => {
      const upstream = request(real.url, { method: incoming.method, headers }, (answer) => {
        const { "content-length": _, "transfer-encoding": __, ...rest } = answer.headers;
        outgoing.writeHead(answer.statusCode ?? 502, rest);
        // Neither has the stream of a subscription.
        if (asked.includes("subscriptions/listen")) {
          outgoing.flushHeaders();
          answer.on("error", () => outgoing.destroy());
          answer.pipe(outgoing);
          return;
        }
        void bodyOf(answer).then((body) => {
          outgoing.end(body.length === 0 ? body : bend(body, responses++));
        });
      });
      outgoing.on("close", () => upstream.destroy());
      upstream.on("error", () => outgoing.destroy());
      upstream.end(asked);
    });
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  between?.closeAllConnections();
  between?.close();
  await real?.close();
});

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
  } catch {
    // Its client has left.
  }
  return Buffer.concat(chunks);
}

async function expectTypedEnd(ms: number): Promise<"result" | "error" | "no tool"> {
  const url = `http://127.0.0.1:${(between.address() as AddressInfo).port}/`;
  const server: McpServerDefinition = {
    name: "s",
    endpoint: { type: "http", url, headers: {}, auth: null },
    allow: null,
    deny: [],
    approval: "never",
    delivery: "annotated",
    timeoutMs: ms,
    outputBytesMax: 64 * 1024,
  };
  const mcp = new McpTools({
    servers: [server],
    version: "0.0.0",
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  try {
    await mcp.known([server], ms);
    const tool = mcp.source.list().find(({ name }) => name === "s__echo");
    if (tool === undefined) return "no tool";
    return await within(
      "an end of the call",
      tool
        .execute(
          { text: "hello" },
          {
            signal: new AbortController().signal,
            idempotencyKey: "key",
            progress: () => {},
            chatId: "chat",
            idle: async (wait) => await wait(),
          },
        )
        .then(
          (value) => {
            expect(JSON.parse(JSON.stringify(value))).toEqual(value);
            return "result" as const;
          },
          (error: unknown) => {
            expect(error).toBeInstanceOf(Error);
            return "error" as const;
          },
        ),
      endMsMax,
    );
  } finally {
    await within("the stop", mcp.stop(), endMsMax);
  }
}

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;

test("answers that were bent on their way", { timeout: fuzzMsMax }, async () => {
  expect(await expectTypedEnd(endMsMax)).toBe("result");
  const sockets = openSockets();
  const ends = new Map<string, number>();
  const cases = fc.record({
    which: fc.nat(2),
    all: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    changes: mutations,
    instead: fc.option(fc.json().map(Buffer.from), { freq: 5 }),
  });
  await fuzz("mcp", cases, 30, async ({ which, all, changes, instead }) => {
    responses = 0;
    bend = (body, at) => (all || at === which ? (instead ?? mutated(body, changes)) : body);
    const end = await expectTypedEnd(bentMsMax);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  });
  bend = (body) => body;
  // Of a few, all may have gone one way.
  const tried = [...ends.values()].reduce((sum, n) => sum + n, 0);
  if (tried >= 20) {
    expect(ends.get("no tool")).toBeGreaterThan(0);
    expect((ends.get("result") ?? 0) + (ends.get("error") ?? 0)).toBeGreaterThan(0);
  }
  expect(await expectTypedEnd(endMsMax)).toBe("result");
  await eventually("the connections are given back", () => openSockets() <= sockets + 4);
});
