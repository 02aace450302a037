import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answer } from "../rig/program.ts";
import { source } from "./words.mjs";

/** LangGraph's in-memory server, as `langgraph dev` starts it, without its file watcher. */

/** Runs at the same time: the command's default of 10 would let chats wait for each other. */
const jobs = 200;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// A line for every request, at its default, would be counted as its work.
process.env.LOG_LEVEL = "error";
const { startServer } = await import("@langchain/langgraph-api/server");

// It writes what it remembers below its folder.
const cwd = await mkdtemp(join(tmpdir(), "bench-langgraph-"));
const graph = new URL("langgraph-graph.mjs", import.meta.url).pathname;
const port = await freePort();
await startServer({
  port,
  host: "127.0.0.1",
  nWorkers: jobs,
  cwd,
  graphs: { agent: `${graph}:graph` },
});

answer({ url: () => `http://127.0.0.1:${port}`, ...source });
