import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, type TestContext } from "vitest";
import { eventually } from "./eventually.ts";
import { settled } from "./follow.ts";
import { expectEqualToDatabase, expectSoundStream, onlooker } from "./onlooker.ts";
import { rigOf, type Rig } from "./rig.ts";
import { temporaryFolder } from "./server-process.ts";

/** Servers as processes, killed with -9 by their own tools, at each moment in the life of a call. */

const module = fileURLToPath(new URL("killing-tools.ts", import.meta.url));

interface Outcome {
  /** The lines that the tools wrote, over both lives of the server. */
  readonly runs: readonly string[];
  readonly output: unknown;
  readonly is_error: unknown;
  readonly state: string | undefined;
}

async function callKilledAt(
  context: TestContext,
  moment: string,
  tool: "once" | "again" | "recording",
): Promise<Outcome> {
  const folder = await temporaryFolder();
  const log = join(folder.path, "runs");
  const rig: Rig = await rigOf(context, {
    env: { PARLEY_TOOLS: module, PARLEY_TEST_TOOL_LOG: log, PARLEY_TEST_KILL_AT: moment },
  });
  context.onTestFinished(folder.remove);
  await eventually("the worker's lock is registered", async () => {
    return (await rig.sql(`select 1 from parley.workers where lock_key is not null`)).length > 0;
  });
  const { chat } = await rig.client.createChat({ content: `call ${tool} {}`, model: "demo/fast" });
  expect((await rig.server.exited).signal).toBe("SIGKILL");
  await rig.restart({ PARLEY_TEST_KILL_AT: "never" });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the turn is over", settled);
  const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
  expectSoundStream(screen.events);
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
  const [result] = messages[2]?.parts ?? [];
  const [row] = await rig.sql<{ state: string }>(
    `select state from parley.tool_executions where chat_id = '${chat.id}'`,
  );
  const text = await readFile(log, "utf8").catch(() => "");
  const runs = text.split("\n").filter((line) => line !== "");
  const { output, is_error } = result as { output: unknown; is_error: unknown };
  return { runs, output, is_error, state: row?.state };
}

const unknown = { output: expect.stringContaining("outcome unknown"), is_error: true };

describe.concurrent("a server killed by its own tool", () => {
  test("while the call is recorded: nothing had happened, and the call is made and run", async (context) => {
    const outcome = await callKilledAt(context, "recording", "recording");
    expect(outcome).toMatchObject({ output: "recording ran", state: "finished" });
    expect(outcome.runs).toHaveLength(1);
  });

  test("between the record of the start and the run: never run, and its outcome is unknown", async (context) => {
    const outcome = await callKilledAt(context, "started", "once");
    expect(outcome).toMatchObject({ ...unknown, state: "unknown", runs: [] });
  });

  test("in the run, before its effect: not run again", async (context) => {
    const outcome = await callKilledAt(context, "running", "once");
    expect(outcome).toMatchObject({ ...unknown, state: "unknown", runs: [] });
  });

  test("after its effect, before its result: not run again", async (context) => {
    const outcome = await callKilledAt(context, "effect", "once");
    expect(outcome).toMatchObject({ ...unknown, state: "unknown" });
    expect(outcome.runs).toHaveLength(1);
  });

  test("in a call that may run again: it does, with the same idempotency key", async (context) => {
    const outcome = await callKilledAt(context, "effect", "again");
    expect(outcome).toMatchObject({ output: "again ran", is_error: false, state: "finished" });
    const [first, second, ...more] = outcome.runs;
    expect(first).toMatch(/^again [0-9a-f-]{36}$/);
    expect([second, more]).toEqual([first, []]);
  });
});
