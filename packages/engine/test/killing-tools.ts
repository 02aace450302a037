import { appendFileSync } from "node:fs";
import type { Json } from "@parley/protocol";
import type { ToolKit } from "../src/tools/load-tools.ts";
import type { Tool } from "../src/tools/tool.ts";

/**
 * Tools for tests with real processes, by PARLEY_TOOLS: each run is a line in a file, and the server dies by SIGKILL at
 * the moment that PARLEY_TEST_KILL_AT names: `recording` (the call's row is written and not committed), `started` (it is
 * committed, and the tool's code has not begun), `running` (no effect yet) or `effect` (it has not returned yet).
 */
// oxlint-disable-next-line import/no-default-export
export default function tools({ defineTool, z }: ToolKit): Tool[] {
  const at = (moment: string): void => {
    if (process.env["PARLEY_TEST_KILL_AT"] === moment) process.kill(process.pid, "SIGKILL");
  };
  const note = (text: string): void => {
    appendFileSync(process.env["PARLEY_TEST_TOOL_LOG"] ?? "", `${text}\n`);
  };
  const run = (name: string, idempotencyKey: string): Json => {
    at("running");
    note(`${name} ${idempotencyKey}`);
    at("effect");
    return `${name} ran`;
  };
  const common = {
    description: "Notes that it ran.",
    input: z.strictObject({}).refine(() => {
      at("started");
      return true;
    }),
  };
  return [
    defineTool({
      ...common,
      name: "once",
      delivery: "at_most_once",
      execute: (_, { idempotencyKey }) => run("once", idempotencyKey),
    }),
    defineTool({
      ...common,
      name: "again",
      delivery: "at_least_once",
      execute: (_, { idempotencyKey }) => run("again", idempotencyKey),
    }),
    defineTool({
      name: "recording",
      description: "Dies while its call is recorded.",
      input: z.strictObject({}),
      approval: () => {
        at("recording");
        return false;
      },
      execute: (_, { idempotencyKey }) => run("recording", idempotencyKey),
    }),
  ];
}
