import { type ChildProcess, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../../../test/eventually.ts";
import { temporaryFolder } from "../../../test/server-process.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import type { McpEndpoint, McpServerDefinition } from "../../tools/mcp/definition.ts";
import { McpTools } from "../../tools/mcp/mcp-tools.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

async function folder(): Promise<string> {
  const { path, remove } = await temporaryFolder();
  onTestFinished(remove);
  return path;
}

async function connect(endpoint: McpEndpoint): Promise<McpTools> {
  const server: McpServerDefinition = {
    name: "ws",
    endpoint,
    allow: null,
    deny: [],
    approval: "never",
    delivery: "annotated",
    timeoutMs: 60_000,
    outputBytesMax: 64 * 1024,
  };
  const mcp = new McpTools({
    servers: [server],
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
  input: Record<string, string | number> = {},
  signal: AbortSignal = new AbortController().signal,
  progress: (value: unknown) => void = () => {},
): Promise<unknown> {
  const tool = mcp.source.get(`ws__${name}`);
  if (tool === undefined) throw new Error(`no tool ${name}`);
  const context = { signal, progress, idempotencyKey: "k", chatId: "c" };
  return await tool.execute(input, { ...context, idle: async (wait) => await wait() });
}

interface Served {
  readonly child: ChildProcess;
  readonly endpoint: McpEndpoint;
  readonly url: string;
  output(): string;
}

async function serve(path: string, args: string[] = [], token?: string): Promise<Served> {
  const child = spawn(
    process.execPath,
    [main, "workspace", path, "--http", "--port", "0", ...args],
    {
      env: { PATH: process.env["PATH"], ...(token && { PARLEY_WORKSPACE_TOKEN: token }) },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const url = await eventually(
    "its address",
    () => /serving at (\S+)\n(?:.*token (\S+) )?/.exec(output)?.[1],
  );
  const made = token ?? (await eventually("its token", () => /token (\S+) /.exec(output)?.[1]));
  const auth = { type: "bearer", token: made } as const;
  return { child, url, endpoint: { type: "http", url, headers: {}, auth }, output: () => output };
}

test("over standard input and output, a model reads, changes and tests", async () => {
  const path = await folder();
  await writeFile(join(path, "sum.mjs"), "export const sum = (a, b) => a - b;\n");
  const args = ["--no-warnings", main, "workspace", path];
  const mcp = await connect({ type: "stdio", command: process.execPath, args, env: {}, cwd: null });
  expect(mcp.source.list().map(({ name, delivery }) => [name, delivery])).toEqual([
    ["ws__edit_file", "at_most_once"],
    ["ws__find_files", "at_least_once"],
    ["ws__list_folder", "at_least_once"],
    ["ws__list_processes", "at_least_once"],
    ["ws__read_file", "at_least_once"],
    ["ws__read_output", "at_least_once"],
    ["ws__run_command", "at_most_once"],
    ["ws__search_files", "at_least_once"],
    ["ws__send_signal", "at_most_once"],
    ["ws__write_file", "at_most_once"],
    ["ws__write_input", "at_most_once"],
  ]);
  expect(await call(mcp, "read_file", { path: "sum.mjs" })).toContain("a - b");
  const test = "import { sum } from './sum.mjs'; process.exit(sum(1, 2) === 3 ? 0 : 1);";
  await call(mcp, "write_file", { path: "test.mjs", content: test });
  expect(await call(mcp, "run_command", { command: "node test.mjs" })).toContain("exit code 1");
  await call(mcp, "edit_file", { path: "sum.mjs", old_text: "a - b", new_text: "a + b" });
  expect(await call(mcp, "run_command", { command: "node test.mjs" })).toContain("exit code 0");
  await expect(call(mcp, "read_file", { path: "../x" })).rejects.toThrow(/leads out/);
  await expect(call(mcp, "read_file", {})).rejects.toThrow(/path/);
});

test("over HTTP, several replicas share one workspace; who has no token gets nothing", async () => {
  const path = await folder();
  const { child, url, endpoint, output } = await serve(path, ["--sandbox", "off"]);
  expect(output()).toMatch(/NOT confined/);
  const [a, b] = await Promise.all([connect(endpoint), connect({ ...endpoint })]);
  const begun = await call(a, "run_command", {
    command: "echo from a; exec sleep 300",
    wait_seconds: 0,
  });
  expect(begun).toContain("process 1 is running");
  expect(await call(b, "read_output", { process: "1", wait_seconds: 30 })).toContain("from a");

  // A stopped call is stopped over there, too: its command is ended.
  const stop = new AbortController();
  const seen: unknown[] = [];
  const waiting = call(
    b,
    "run_command",
    { command: "echo begun; exec sleep 300" },
    stop.signal,
    (value) => {
      seen.push(value);
      stop.abort(new Error("stopped"));
    },
  );
  await expect(waiting).rejects.toThrow("stopped");
  expect(seen).toEqual([expect.objectContaining({ message: "begun\n" })]);
  await eventually("the command has ended", async () =>
    String(await call(a, "list_processes")).includes("process 2 was ended by SIGTERM"),
  );

  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(url, { method: "POST", headers, body: "{}" })).status;
  expect(await ask({})).toBe(401);
  expect(await ask({ authorization: "Bearer wrong" })).toBe(401);
  expect((await fetch(new URL("/other", url))).status).toBe(401);

  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await within("it has ended", exited)).toBe(0);
});

test("says what it cannot do", async () => {
  const path = await folder();
  const run = async (...args: string[]): Promise<[number | null, string]> => {
    const child = spawn(process.execPath, [main, "workspace", ...args], {
      env: { PATH: "/nowhere" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return [code, output];
  };
  expect(await run(join(path, "none"))).toEqual([1, expect.stringMatching(/is no folder/)]);
  expect(await run(path, "--sandbox", "require")).toEqual([1, expect.stringMatching(/bubblewrap/)]);
  expect(await run(path, "--http", "--port", "x")).toEqual([2, expect.stringMatching(/65535/)]);
  // No input: nobody is there to serve.
  expect(await run(path)).toEqual([0, expect.stringMatching(/^parley: workspace /)]);
});

test("uses the token that it is given, and offers files only where that is asked for", async () => {
  const path = await folder();
  const { endpoint, output } = await serve(path, ["--no-commands"], "chosen-token");
  expect(output()).not.toContain("chosen-token");
  const mcp = await connect(endpoint);
  expect(mcp.source.list().map(({ name }) => name)).not.toContain("ws__run_command");
  await call(mcp, "write_file", { path: "a", content: "b" });
  expect(await readFile(join(path, "a"), "utf8")).toBe("b");
});

test("a large picture arrives whole", async () => {
  const path = await folder();
  const bytes = Buffer.alloc(700_000, 7);
  Buffer.from("89504e470d0a1a0a00", "hex").copy(bytes);
  await writeFile(join(path, "shot.png"), bytes);
  const { endpoint } = await serve(path);
  const mcp = await connect(endpoint);
  expect(await call(mcp, "read_file", { path: "shot.png" })).toMatchObject({
    content: [
      expect.objectContaining({ type: "text" }),
      { type: "file", media_type: "image/png", data: bytes.toString("base64") },
    ],
  });
});
