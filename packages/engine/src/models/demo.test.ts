import { fold, type LivePart, type Part } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../lib/manual-clock.ts";
import { seededRandom } from "../lib/random.ts";
import { DemoModels } from "./demo.ts";
import type { ModelReply, ModelRequest, PromptMessage, ToolSpec } from "./model-port.ts";

const user = (text: string): PromptMessage => ({
  role: "user",
  parts: [{ type: "text", text }],
  finish_reason: null,
  model: null,
});
const tools: ToolSpec[] = [
  { name: "clock", description: "Time.", input_schema: { type: "object", properties: {} } },
  {
    name: "roll_dice",
    input_schema: {
      type: "object",
      properties: { sides: { type: "integer", minimum: 2 } },
      required: ["sides"],
    },
  },
];

function setup() {
  const clock = new ManualClock();
  const demo = new DemoModels({ clock, random: seededRandom("demo") });
  const ask = (text: string | PromptMessage[], more: Partial<ModelRequest> = {}) => {
    const live: LivePart[] = [];
    const reply = demo.stream(
      {
        model: "demo/fast",
        reasoning_effort: null,
        system_prompt: null,
        messages: typeof text === "string" ? [user(text)] : text,
        tools,
        used_call_ids: new Set(),
        signal: new AbortController().signal,
        ...more,
      },
      (part) => live.push(part),
    );
    reply.catch(() => {});
    return { live, reply };
  };
  return { clock, demo, ask };
}

const textOf = ({ parts }: ModelReply): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("");

describe("demo models", () => {
  it("keep to the length that is asked for or paid for, and say so", async () => {
    const { ask } = setup();
    for (const more of [{ output_tokens_max: 20 }, { settings: { max_output_tokens: 20 } }]) {
      const { live, reply } = ask("think, and give me a long text", more);
      const { parts, finish_reason, usage } = await reply;
      expect(finish_reason).toBe("length");
      expect(usage?.output_tokens).toBeLessThanOrEqual(20);
      expect(fold(live)).toEqual(parts);
    }
    const called = await ask("call clock", { output_tokens_max: 100 }).reply;
    expect(called).toMatchObject({ finish_reason: "tool_calls" });
    const none = await ask('call roll_dice {"sides": 6}', { output_tokens_max: 9 }).reply;
    expect(none.finish_reason).toBe("length");
    expect(none.parts.map(({ type }) => type)).toEqual(["text"]);
  });

  it("answers with what was said, and the same every time", async () => {
    const { ask } = setup();
    const first = ask("Good morning");
    const reply = await first.reply;
    expect(textOf(reply)).toContain("> Good morning");
    expect(fold(first.live)).toEqual(reply.parts);
    expect(reply).toMatchObject({ finish_reason: "stop", model: "demo/fast" });
    expect(reply.usage?.output_tokens).toBeGreaterThan(10);
    expect((await ask("Good morning").reply).parts).toEqual(reply.parts);
  });

  it("streams at a human pace by the given clock", async () => {
    const { ask, clock } = setup();
    const { live, reply } = ask("Hello there", { model: "demo/demo" });
    expect(live).toEqual([]);
    await clock.advance(1_000);
    expect(live.length).toBeGreaterThan(30);
    expect(live.length).toBeLessThan(45);
    await clock.advance(60_000);
    expect(fold(live)).toEqual((await reply).parts);
  });

  it("repeats exactly as demo/echo", async () => {
    const text = "  call clock {}\n\n fail `think`  👍 ";
    expect((await setup().ask(text, { model: "demo/echo" }).reply).parts).toEqual([
      { type: "text", text },
    ]);
  });

  it("thinks first when asked to", async () => {
    const { parts, usage } = await setup().ask("Please think").reply;
    expect(parts.map(({ type }) => type)).toEqual(["reasoning", "text"]);
    expect(usage?.reasoning_tokens).toBeGreaterThan(0);
  });

  it("calls tools, several at once, with the arguments as they stand there", async () => {
    const { ask } = setup();
    const { live, reply } = ask('call roll_dice {"sides": 20, "a": {"b": 1}} and call clock');
    const { parts, finish_reason } = await reply;
    expect(finish_reason).toBe("tool_calls");
    expect(parts.filter(({ type }) => type === "tool-call")).toMatchObject([
      { tool_name: "roll_dice", input: { sides: 20, a: { b: 1 } } },
      { tool_name: "clock", input: {} },
    ]);
    expect(fold(live)).toEqual(parts);
    expect((await ask("call roll_dice").reply).parts[1]).toMatchObject({ input: { sides: 2 } });
    expect((await ask("use a tool").reply).parts[1]).toMatchObject({ tool_name: "clock" });
    expect((await ask('call clock {"broken": ').reply).parts[1]).toMatchObject({
      input: null,
      input_text: '{"broken": ',
    });
    expect((await ask("call nothing_there {}").reply).finish_reason).toBe("stop");
  });

  it("answers with the results", async () => {
    const { ask } = setup();
    const { parts } = await ask("call clock").reply;
    const call = parts.find((part) => part.type === "tool-call");
    const results: Part[] = [
      {
        type: "tool-result",
        tool_call_id: call?.tool_call_id ?? "",
        tool_name: "clock",
        output: { utc: "now" },
        is_error: false,
      },
    ];
    const history: PromptMessage[] = [
      user("call clock"),
      { role: "assistant", parts, finish_reason: "tool_calls", model: "demo/fast" },
      { role: "tool", parts: results, finish_reason: null, model: null },
    ];
    const reply = await ask(history).reply;
    expect(textOf(reply)).toContain('"utc": "now"');
    expect(reply.finish_reason).toBe("stop");
    const again = await ask([...history, user("thanks")]).reply;
    expect(textOf(again)).toContain("> thanks");
  });

  it.each([
    ["fail", "invalid_request", false],
    ["fail 429", "rate_limit", true],
    ["fail auth", "auth", false],
    ["fail 500", "server", true],
    ["fail overloaded", "overloaded", true],
    ["fail quota", "quota", false],
    ["fail network", "network", true],
    ["fail context", "context_overflow", false],
    ["cut", "network", true],
  ])("fails at %j with %s", async (text, kind, retryable) => {
    const { ask } = setup();
    const { live, reply } = ask(text);
    await expect(reply).rejects.toMatchObject({ kind, retryable, provider: "demo" });
    expect(live.length > 0).toBe(text === "cut");
  });

  it("fails once and then answers", async () => {
    const { ask } = setup();
    await expect(ask("fail once").reply).rejects.toMatchObject({ kind: "overloaded" });
    expect((await ask("fail once").reply).finish_reason).toBe("stop");
    await expect(ask("fail 429 once").reply).rejects.toMatchObject({
      kind: "rate_limit",
      retry_after_ms: 2_000,
    });
    await expect(ask("cut once").reply).rejects.toMatchObject({ kind: "network" });
    expect((await ask("cut once").reply).finish_reason).toBe("stop");
  });

  it("can be long, slow, silent and helpful", async () => {
    const { ask, clock } = setup();
    expect(textOf(await ask("long").reply).match(/\S+/g)?.length).toBeGreaterThan(3_000);
    expect((await ask("empty").reply).parts).toEqual([]);
    expect(textOf(await ask("/help").reply)).toContain("`roll_dice`");
    const slow = ask("slow");
    await clock.advance(3_000);
    const before = slow.live.length;
    await clock.advance(900);
    expect(slow.live.length).toBe(before);
    await clock.advance(600_000);
    await slow.reply;
  });

  it("stops when it is cancelled", async () => {
    const { ask, clock } = setup();
    const abort = new AbortController();
    const { live, reply } = ask("Hello", { model: "demo/demo", signal: abort.signal });
    await clock.advance(100);
    const before = live.length;
    abort.abort();
    await expect(reply).rejects.toMatchObject({ kind: "cancelled" });
    expect(live.length).toBe(before);
    expect(clock.pending()).toEqual([]);
  });

  it("takes any history", async () => {
    const { ask } = setup();
    expect((await ask([]).reply).finish_reason).toBe("stop");
    const odd: PromptMessage = {
      role: "assistant",
      parts: [],
      finish_reason: "interrupted",
      model: null,
    };
    expect((await ask([odd, { ...user("x"), parts: [] }]).reply).parts.length).toBe(1);
  });
});
