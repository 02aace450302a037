import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@parley/client";
import { expect, test } from "vitest";
import { freePort, startEverything } from "./everything-server.ts";
import { eventually } from "./eventually.ts";
import { follow, settled } from "./follow.ts";
import { startMcpHttp } from "./mcp-server.ts";
import { gate, replyScript, textScript } from "./provider-server.ts";
import { rigOf } from "./rig.ts";
import { temporaryFolder } from "./server-process.ts";

/** The real server with MCP servers: a workspace as a process, and one that is there for a while only. */

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const wire = "anthropic";
const model = "anthropic/scripted";

const call = (id: string, name: string, input: object) => ({
  id,
  name,
  input: [JSON.stringify(input)],
});

test("a turn reads and changes a workspace, and outlives a tool server that goes away", async (context) => {
  const folder = await temporaryFolder();
  context.onTestFinished(folder.remove);
  await writeFile(join(folder.path, "note.txt"), "buy milk\n");
  const remote = await startMcpHttp();
  const servers = [
    {
      name: "ws",
      command: process.execPath,
      args: ["--no-warnings", main, "workspace", folder.path, "--sandbox", "off"],
    },
    { name: "far", url: remote.url },
    { name: "down", url: "http://127.0.0.1:1/mcp" },
  ];
  const { client, provider, server, sql } = await rigOf(context, {
    env: { PARLEY_MCP_SERVERS: JSON.stringify(servers) },
  });
  const gone = gate();
  provider.enqueue(
    wire,
    replyScript(wire, {
      calls: [
        call("one", "ws__read_file", { path: "note.txt" }),
        call("two", "far__echo", { text: "from afar" }),
        call("three", "ws__read_file", { path: "/etc/passwd" }),
      ],
    }),
  );
  provider.enqueue(
    wire,
    replyScript(wire, {
      text: ["Once more."],
      gates: { 0: gone.promise },
      calls: [call("four", "far__echo", { text: "x" })],
    }),
  );
  provider.enqueue(wire, textScript(wire, ["Read."]));
  // A server that lists its tools late is no fault: the first call would go without them.
  await eventually("both have listed their tools", async () => {
    const [worker] = await sql<{ tools: string[] }>("select tools from parley.workers");
    return ["ws__run_command", "far__echo"].every((name) => worker?.tools.includes(name));
  });
  const { chat } = await client.createChat({ content: "Read my note.", model });
  const asked = await provider.request(0);
  const tools = (asked.body as { tools: { name: string }[] }).tools.map(({ name }) => name);
  expect(tools).toEqual(expect.arrayContaining(["ws__run_command", "far__echo"]));
  expect(tools.some((name) => name.startsWith("down__"))).toBe(false);
  await provider.request(1);
  await remote.close();
  gone.open();
  await follow(client, chat.id, { until: settled });
  const { messages } = await client.listMessages(chat.id);
  const results = messages
    .flatMap(({ parts }) => parts)
    .filter((part) => part.type === "tool-result")
    .map(({ tool_call_id, output, is_error }) => [tool_call_id, output, is_error]);
  expect(results.slice(0, 3)).toEqual([
    ["one", "1\tbuy milk", false],
    ["two", "from afar", false],
    ["three", expect.stringMatching(/leads out of the workspace/), true],
  ]);
  expect(results[3]).toEqual(["four", expect.stringMatching(/cannot be reached now/), true]);
  expect(messages.at(-1)?.parts).toEqual([{ type: "text", text: "Read." }]);
  expect(messages.at(-1)?.finish_reason).toBe("stop");
  const ledger = await sql<{ tool_name: string; state: string }>(
    "select tool_name, state from parley.tool_executions order by id",
  );
  expect(ledger).toHaveLength(4);
  const warnings = server
    .output()
    .split("\n")
    .filter((line) => line.includes("a tool server cannot be reached") && line.includes("down"));
  expect(warnings).toHaveLength(1);
});

test("chats bring their own servers along: two chats, a kill in the middle, and no secret anywhere", async (context) => {
  const seen: unknown[] = [];
  const held = gate();
  const script = {
    onCall: (_tool: string, args: unknown) => void seen.push(args),
    held: held.promise,
  };
  const remote = await startMcpHttp({ token: "hidden-token-of-one", script });
  context.onTestFinished(async () => await remote.close());
  const port = await freePort();
  await startEverything(port);
  const rig = await rigOf(context, {
    env: { PARLEY_MCP_PRIVATE_HOSTS: "127.0.0.1", PARLEY_LOG_LEVEL: "debug" },
  });
  const { client, provider, sql } = rig;
  provider.enqueue(
    wire,
    replyScript(wire, { calls: [call("one", "mine__echo", { text: "kept" })] }),
  );
  provider.enqueue(wire, textScript(wire, ["First."]));
  const first = await client.createChat({
    content: "Echo.",
    title: "One",
    model,
    mcp_servers: [
      {
        name: "mine",
        url: `${remote.url}?key=hidden-key-of-one`,
        token: "hidden-token-of-one",
        headers: { "x-key": "hidden-header-of-one" },
      },
      { name: "gone", url: "http://127.0.0.1:1/mcp", token: "hidden-token-of-gone" },
    ],
  });
  await eventually("the call runs", () => seen.length === 1);
  const logs = [rig.server.output()];
  await rig.kill();
  const taker = await rig.another();
  // It is read-only, so it runs once more where the chat goes on.
  await eventually("the call runs again", () => seen.length === 2);
  held.open();
  const at = createClient({ baseUrl: taker.url, token: taker.token });
  const told = await follow(at, first.chat.id, { until: settled });
  expect(told.transcript.messages.at(-1)?.parts).toEqual([{ type: "text", text: "First." }]);
  expect((await at.getChat(first.chat.id)).notices).toMatchObject([
    { kind: "tool_server_down", server: "gone", problem: "nothing listens there" },
  ]);

  provider.enqueue(
    wire,
    replyScript(wire, { calls: [call("two", "ref__get-sum", { a: 2, b: 3 })] }),
  );
  provider.enqueue(wire, textScript(wire, ["Second."]));
  const second = await at.createChat({
    content: "Add.",
    title: "Two",
    model,
    mcp_servers: [{ name: "ref", url: `http://127.0.0.1:${port}/mcp`, allow: ["get-*"] }],
  });
  await follow(at, second.chat.id, { until: settled });
  const { messages } = await at.listMessages(second.chat.id);
  const [result] = messages.flatMap(({ parts }) =>
    parts.filter(({ type }) => type === "tool-result"),
  );
  expect(JSON.stringify(result)).toMatch(/\b5\b/);
  const tools = (await provider.request(2)).body as { tools: { name: string }[] };
  const offered = tools.tools.map(({ name }) => name);
  expect(offered).toContain("ref__get-tiny-image");
  expect(offered.some((name) => name.startsWith("mine__") || name === "ref__echo")).toBe(false);

  const rows = await sql<{ all: string }>(
    `select (select json_agg(c)::text from parley.chats c) || (select json_agg(m)::text from parley.chat_messages m)
       || (select json_agg(i)::text from parley.idempotency_keys i) as all`,
  );
  logs.push(taker.output());
  const shown = [told.events, await at.getChat(first.chat.id), rows].map((each) =>
    JSON.stringify(each),
  );
  for (const text of [...shown, ...logs, JSON.stringify(provider.requests)]) {
    expect(text).not.toMatch(/hidden-/);
  }
});
