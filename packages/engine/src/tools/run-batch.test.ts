import type { ToolCallPart, ToolResultPart } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ManualClock } from "../lib/manual-clock.ts";
import { seededRandom } from "../lib/random.ts";
import { demoTools } from "./demo-tools.ts";
import { ToolRegistry } from "./registry.ts";
import { runBatch, type BatchOptions, type CallOutcome } from "./run-batch.ts";
import { defineTool } from "./tool.ts";

const part = (
  tool_name: string,
  input: ToolCallPart["input"] = {},
  id: string = tool_name,
): ToolCallPart => ({
  type: "tool-call",
  tool_call_id: id,
  tool_name,
  input,
});

function setup() {
  const clock = new ManualClock();
  const abort = new AbortController();
  const registry = new ToolRegistry([
    defineTool({
      name: "add",
      description: "Adds.",
      input: z.strictObject({ a: z.number(), b: z.number().default(1) }),
      execute: ({ a, b }) => a + b,
    }),
    defineTool({
      name: "typed",
      description: "Has a JSON Schema.",
      input: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      execute: (input) => ({ got: input as { n: number } }),
    }),
    defineTool({
      name: "panics",
      description: "",
      input: z.object({}),
      execute: () => {
        throw new Error("disk \0 on fire");
      },
    }),
    defineTool({
      name: "throws_text",
      description: "",
      input: z.object({}),
      execute: () => {
        // oxlint-disable-next-line only-throw-error
        throw "just text";
      },
    }),
    defineTool({
      name: "deaf",
      description: "",
      input: z.object({}),
      timeoutMs: 5_000,
      execute: () => new Promise(() => {}),
    }),
    defineTool({
      name: "listens",
      description: "",
      input: z.object({}),
      timeoutMs: 5_000,
      execute: (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(new Error("aborted"))),
        ),
    }),
    defineTool({
      name: "talks",
      description: "",
      input: z.object({}),
      outputBytesMax: 300,
      execute: () => `${"ä".repeat(500)}END`,
    }),
  ]);
  const run = (calls: ToolCallPart[], more: Partial<BatchOptions> = {}) =>
    runBatch(
      calls.map((call) => ({ call, idempotencyKey: `key ${call.tool_call_id}` })),
      { chatId: "chat", tools: registry, clock, signal: abort.signal, ...more },
    );
  return { clock, abort, registry, run };
}

const textOf = (result?: ToolResultPart): string => {
  const output = result?.output;
  return typeof output === "string" ? output : JSON.stringify(output);
};

const brief = (outcomes: CallOutcome[]) =>
  outcomes.map(({ ended, result }) => [ended, result.output, result.is_error]);

describe("runBatch", () => {
  it("gives results in call order, and tells of each as it ends", async () => {
    const { clock, run } = setup();
    const seen: string[] = [];
    const batch = run([part("deaf"), part("add", { a: 2 }), part("typed", { n: 3 })], {
      onEnd: ({ result }) => void seen.push(result.tool_call_id),
    });
    await clock.advance(0);
    expect(seen).toEqual(["add", "typed"]);
    await clock.advance(5_000);
    expect(brief(await batch)).toEqual([
      ["timed_out", expect.stringMatching(/longer than 5 s.*may have had its effect/), true],
      ["finished", 3, false],
      ["finished", { got: { n: 3 } }, false],
    ]);
    expect(clock.pending()).toEqual([]);
  });

  it("turns every failure into a result that says what was wrong", async () => {
    const { run } = setup();
    const broken = { ...part("add", null, "broken"), input_text: '{"a": oops' };
    const outcomes = await run([
      part("panics"),
      part("throws_text"),
      part("no_such"),
      part("add", { a: "x", c: 1 }),
      part("typed", {}),
      broken,
    ]);
    expect(outcomes.map(({ ended }) => ended)).toEqual([
      "failed",
      "failed",
      "refused",
      "refused",
      "refused",
      "refused",
    ]);
    const said = outcomes.map(({ result }) => textOf(result));
    expect(said[0]).toBe("disk \ufffd on fire");
    expect(said[1]).toBe("just text");
    expect(said[2]).toContain('"no_such"');
    expect(said[3]).toMatch(/a: .*number/);
    expect(said[4]).toContain("n:");
    expect(said[5]).toContain('{"a": oops');
    for (const { result } of outcomes) expect(result.is_error).toBe(true);
  });

  it("survives whatever a tool throws", async () => {
    const { run, registry } = setup();
    const thrown: Record<string, unknown> = {
      without_words: Object.create(null),
      throws_again: {
        toString: () => {
          throw new Error("no");
        },
      },
      number_as_message: Object.assign(new Error("x"), { message: 5 }),
      message_that_throws: Object.defineProperty(new Error("x"), "message", {
        get: () => {
          throw new Error("no");
        },
      }),
      symbol: Symbol("s"),
      nothing: undefined,
    };
    for (const [name, error] of Object.entries(thrown)) {
      const execute = (): never => {
        throw error;
      };
      registry.register(defineTool({ name, description: "", input: {}, execute }));
    }
    const outcomes = await run(Object.keys(thrown).map((name) => part(name)));
    expect(outcomes.map(({ ended }) => ended)).toEqual(Object.keys(thrown).map(() => "failed"));
    for (const { result } of outcomes) expect(textOf(result)).not.toBe("");
  });

  it("shows head and tail of a long error", async () => {
    const { run, registry } = setup();
    const execute = (): never => {
      throw new Error(`first line ${"\0".repeat(50_000)} last line`);
    };
    registry.register(defineTool({ name: "long_error", description: "", input: {}, execute }));
    const [outcome] = await run([part("long_error")]);
    const text = textOf(outcome?.result);
    expect(text).toMatch(/^first line .*\[… \d+ bytes, cut to 4000 …\].* last line$/s);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4_000);
  });

  it("goes on after progress that cannot be shown", async () => {
    const { run, registry } = setup();
    const round: Record<string, unknown> = {};
    round["self"] = round;
    registry.register(
      defineTool({
        name: "odd",
        description: "",
        input: {},
        execute: (_, { progress }) => {
          progress(round as never);
          return "fine";
        },
      }),
    );
    const told: unknown[] = [];
    const outcomes = await run([part("odd")], { onProgress: (_, value) => told.push(value) });
    expect(brief(outcomes)).toEqual([["finished", "fine", false]]);
    expect(told).toEqual(["[progress that cannot be shown]"]);
  });

  it("stops promptly, also what does not listen, and starts nothing afterwards", async () => {
    const { abort, clock, run } = setup();
    const batch = run([part("deaf"), part("listens"), part("add", { a: 1 })]);
    await clock.advance(0);
    abort.abort();
    expect(brief(await batch)).toEqual([
      ["stopped", "The call was stopped.", true],
      ["stopped", "The call was stopped.", true],
      ["finished", 2, false],
    ]);
    expect((await run([part("add", { a: 1 })])).map(({ ended }) => ended)).toEqual(["stopped"]);
    expect(clock.pending()).toEqual([]);
  });

  it("cuts long output in the middle, between characters", async () => {
    const { run } = setup();
    const [own] = await run([part("talks")]);
    const text = textOf(own?.result);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(300);
    expect(text).toMatch(/^ä+\n\n\[… 1003 bytes, cut to 300 …\]\n\nä+END$/);
    const [head = "", tail = ""] = text.split(/\n\n.*\n\n/);
    expect(Buffer.byteLength(head) / Buffer.byteLength(tail)).toBeCloseTo(2, 0);
    const [capped] = await run([part("talks")], { outputBytesMax: 100 });
    expect(Buffer.byteLength(textOf(capped?.result))).toBeLessThanOrEqual(100);
  });

  it("waits for onEnd, and fails with it after every call has ended", async () => {
    const { run } = setup();
    const seen: string[] = [];
    const batch = run([part("add", { a: 1 }, "1"), part("add", { a: 2 }, "2")], {
      onEnd: ({ result }) => {
        seen.push(result.tool_call_id);
        if (result.tool_call_id === "1") throw new Error("not stored");
      },
    });
    await expect(batch).rejects.toThrow("not stored");
    expect(seen).toEqual(["1", "2"]);
  });

  it("passes progress and the idempotency key", async () => {
    const { clock, run, registry } = setup();
    const keys: string[] = [];
    registry.register(
      defineTool({
        name: "keyed",
        description: "",
        input: z.object({}),
        execute: (_, { idempotencyKey }) => keys.push(idempotencyKey),
      }),
    );
    for (const tool of demoTools({ clock, random: seededRandom(1) })) registry.register(tool);
    const progress: unknown[] = [];
    const batch = run(
      [part("keyed"), part("wait", { seconds: 2 }), part("clock"), part("roll_dice", { count: 3 })],
      {
        onProgress: (_, value) => progress.push(value),
      },
    );
    await clock.advance(3_000);
    const outcomes = await batch;
    expect(outcomes.map(({ ended }) => ended)).toEqual([
      "finished",
      "finished",
      "finished",
      "finished",
    ]);
    expect(outcomes[3]?.result.output).toMatchObject({
      rolls: [expect.any(Number), expect.any(Number), expect.any(Number)],
    });
    expect(keys).toEqual(["key keyed"]);
    expect(progress).toEqual([
      { waited: 0, of: 2 },
      { waited: 1, of: 2 },
    ]);
  });
});

it("tells progress at once, then the newest of each tenth of a second", async () => {
  const { clock, run, registry } = setup();
  const end = Promise.withResolvers<null>();
  let tell: (value: number) => void = () => {};
  registry.register(
    defineTool({
      name: "busy",
      description: "",
      input: {},
      execute: async (_, { progress }) => {
        tell = progress;
        for (let n = 0; n < 1_000; n++) progress(n);
        return await end.promise;
      },
    }),
  );
  const told: unknown[] = [];
  const batch = run([part("busy")], { onProgress: (_, value) => told.push(value) });
  await clock.advance(100);
  expect(told).toEqual([0, 999]);
  await clock.advance(100);
  tell(1_000);
  expect(told).toEqual([0, 999, 1_000]);
  tell(1_001);
  end.resolve(null);
  await batch;
  tell(1_002);
  await clock.advance(1_000);
  expect(told).toEqual([0, 999, 1_000]);
  expect(clock.pending()).toEqual([]);
});

it("takes a tool without a limit at the batch's, and a check that fails at its word", async () => {
  const { run, registry } = setup();
  const long = { description: "", input: {}, execute: () => "x".repeat(100_000) };
  registry.register(defineTool({ name: "long", ...long }));
  registry.register({
    ...defineTool({ name: "rude", ...long }),
    validate: () => {
      throw new Error("no such unit");
    },
  });
  const [wide, rude] = await run([part("long"), part("rude")], { outputBytesMax: 90_000 });
  expect(Buffer.byteLength(textOf(wide?.result))).toBe(90_000);
  expect(rude).toMatchObject({ ended: "refused", result: { is_error: true } });
  expect(textOf(rude?.result)).toContain("no such unit");
  const [plain] = await run([part("long")]);
  expect(Buffer.byteLength(textOf(plain?.result))).toBe(64 * 1024);
});

describe("ToolRegistry", () => {
  it("offers demo tools to demo models only, and refuses a name twice", () => {
    const registry = new ToolRegistry(
      demoTools({ clock: new ManualClock(), random: seededRandom(1) }),
    );
    expect(registry.offers("demo/demo").map(({ name }) => name)).toEqual([
      "clock",
      "roll_dice",
      "wait",
      "send_email",
    ]);
    expect(registry.offers("openai/gpt-5")).toEqual([]);
    expect(registry.offers("demo/demo")[1]?.input_schema).toMatchObject({
      type: "object",
      properties: { sides: { default: 6 } },
    });
    const tool = defineTool({ name: "x", description: "", input: {}, execute: () => null });
    const remove = registry.register(tool);
    expect(() => registry.register(tool)).toThrow(RangeError);
    remove();
    expect(registry.get("x")).toBeUndefined();
    expect(() => defineTool({ ...tool, name: "no spaces", input: {} })).toThrow(RangeError);
  });
});
