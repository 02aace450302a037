import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
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
