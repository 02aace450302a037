import { gzipSync } from "node:zlib";
import { fold, type LivePart } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  gate,
  replyScript,
  startProviderServer,
  textScript,
  type Protocol,
  type ProviderServer,
  type Step,
} from "../../test/provider-server.ts";
import { systemClock, type Clock } from "../lib/clock.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { seededRandom } from "../lib/random.ts";
import type {
  ModelError,
  ModelPort,
  ModelReply,
  ModelRequest,
  PromptMessage,
} from "./model-port.ts";
import { createModels, type ModelsConfig } from "./registry.ts";

const models: readonly [string, Protocol][] = [
  ["openai/gpt-5.4", "openai-responses"],
  ["openai-chat/gpt-4.1", "openai-chat"],
  ["vllm/m", "openai-chat"],
  ["anthropic/claude-sonnet-5-5", "anthropic"],
  ["google/gemini-3.8-flash", "google"],
];

let server: ProviderServer;
beforeEach(async () => {
  server = await startProviderServer();
});
afterEach(() => server.close());

function port(clock: Clock = systemClock, silence: ModelsConfig["silence"] = {}): ModelPort {
  const key = (protocol: Protocol) => ({ apiKey: "test-key", baseURL: server.baseURL(protocol) });
  return createModels(
    {
      openai: key("openai-chat"),
      anthropic: key("anthropic"),
      google: key("google"),
      compatible: [
        {
          name: "vllm",
          baseURL: server.baseURL("openai-chat"),
          headers: { "x-extra": "extra-value" },
        },
      ],
      silence,
      demo: false,
    },
    { clock, random: seededRandom("call") },
  );
}

function question(text: string): PromptMessage {
  return { role: "user", parts: [{ type: "text", text }], finish_reason: null, model: null };
}

function asking(model: string): Omit<ModelRequest, "signal"> {
  return {
    model,
    reasoning_effort: null,
    system_prompt: "Be brief.",
    messages: [question("Hi")],
    tools: [],
    used_call_ids: new Set(),
  };
}

interface Call {
  live: LivePart[];
  /** Resolves when a live part arrives. */
  heard: () => Promise<void>;
  reply: Promise<ModelReply>;
  /** The error that it must end with. */
  error: () => Promise<ModelError>;
  abort: () => void;
}

function call(models: ModelPort, model: string, more: Partial<ModelRequest> = {}): Call {
  const abort = new AbortController();
  const live: LivePart[] = [];
  let wake = Promise.withResolvers<void>();
  const reply = models.stream(
    {
      ...asking(model),
      signal: abort.signal,
      ...more,
    },
    (part) => {
      live.push(part);
      wake.resolve();
      wake = Promise.withResolvers<void>();
    },
  );
  reply.catch(() => {});
  const error = (): Promise<ModelError> =>
    reply.then(
      (value) => {
        throw new Error(`no error but ${JSON.stringify(value)}`);
      },
      (reason: unknown) => reason as ModelError,
    );
  return { live, heard: () => wake.promise, reply, error, abort: () => abort.abort() };
}

describe.each(models)("a call of %s", (model, protocol) => {
  it("streams text, delta by delta, as it comes", async () => {
    const gates = [gate(), gate()];
    server.enqueue(
      protocol,
      textScript(protocol, ["Hel", "lo ", "wörld 👍"], {
        1: gates[0]!.promise,
        2: gates[1]!.promise,
      }),
    );
    const { live, heard, reply } = call(port(), model);
    await heard();
    expect(live).toEqual([{ type: "text", index: 0, delta: "Hel" }]);
    gates[0]!.open();
    await heard();
    expect(live).toHaveLength(2);
    gates[1]!.open();
    const { parts, finish_reason, usage, model: named } = await reply;
    expect(parts).toMatchObject([{ type: "text", text: "Hello wörld 👍" }]);
    expect(fold(live)).toEqual(parts);
    expect(finish_reason).toBe("stop");
    expect(usage).toMatchObject({ input_tokens: 7, output_tokens: 5, total_tokens: 12 });
    expect(named).toBe(model);
  });

  it("takes parallel calls, and sends calls and results back", async () => {
    const calls = [
      { id: "call_a", name: "add", input: ['{"a":', "1}"] },
      { id: "call_b", name: "add", input: ['{"a":2}'] },
    ];
    server.enqueue(protocol, replyScript(protocol, { text: ["Let me see."], calls }));
    const first = call(port(), model, {
      tools: [
        {
          name: "add",
          description: "Adds.",
          input_schema: { type: "object", properties: { a: { type: "number" } } },
        },
      ],
    });
    const { parts, finish_reason } = await first.reply;
    expect(finish_reason).toBe("tool_calls");
    expect(parts.map((part) => part.type)).toEqual(["text", "tool-call", "tool-call"]);
    expect(parts.slice(1)).toMatchObject([
      { tool_name: "add", input: { a: 1 } },
      { tool_name: "add", input: { a: 2 } },
    ]);
    expect(fold(first.live)).toEqual(parts);
    expect(JSON.stringify(server.requests[0]?.body)).toContain('"Adds."');
    const results = parts
      .filter((part) => part.type === "tool-call")
      .map(({ tool_call_id, tool_name }, i) => ({
        type: "tool-result" as const,
        tool_call_id,
        tool_name,
        output: `result ${i}`,
        is_error: i === 1,
      }));
    const second = call(port(), model, {
      messages: [
        { role: "user", parts: [{ type: "text", text: "Hi" }], finish_reason: null, model: null },
        { role: "assistant", parts, finish_reason, model },
        { role: "tool", parts: results, finish_reason: null, model: null },
      ],
    });
    await second.reply;
    const sent = JSON.stringify(server.requests[1]?.body);
    expect(sent).toContain("result 0");
    expect(sent).toContain("result 1");
    expect(sent).toMatch(/is_error|[Ee]rror/);
  });

  it("ends an endless silence, at first and in the middle", async () => {
    for (const script of [
      [{ hang: true }],
      [...textScript(protocol, ["Hello", "never"]).slice(0, -3), { hang: true }],
    ] as Step[][]) {
      const clock = new ManualClock();
      server.enqueue(protocol, script);
      const index = server.requests.length;
      const { error, heard, live } = call(port(clock), model);
      const request = await server.request(index);
      if (script.length > 1) await heard();
      else await clock.waitForTimer("model first event");
      await clock.advance(script.length > 1 ? 599_000 : 119_000);
      expect(clock.pending()).toHaveLength(1);
      await clock.advance(2_000);
      expect(await error()).toMatchObject({ kind: "stream_silence", retryable: true });
      expect(await request.ended).toBe("client_left");
      expect(live.length > 0).toBe(script.length > 1);
    }
  });

  it("stops at once when it is cancelled, before and after the first part, and leaves no connection", async () => {
    for (const script of [
      [{ hang: true }],
      [...textScript(protocol, ["Hello", "never"]).slice(0, -3), { hang: true }],
    ] as Step[][]) {
      server.enqueue(protocol, script);
      const { error, heard, abort } = call(port(), model);
      const request = await server.request(server.requests.length);
      if (script.length > 1) await heard();
      abort();
      expect(await error()).toMatchObject({ kind: "cancelled", retryable: false });
      expect(await request.ended).toBe("client_left");
    }
    const late = call(port(), model, { signal: AbortSignal.abort() });
    expect(await late.error()).toMatchObject({ kind: "cancelled" });
    expect(server.requests).toHaveLength(2);
  });

  it("keeps calls of one model apart that are under way together", async () => {
    const models = port();
    const [kept, cut] = [gate(), gate()];
    server.enqueue(protocol, textScript(protocol, ["one ", "two"], { 1: kept.promise }));
    const first = call(models, model);
    await server.request(0);
    server.enqueue(protocol, textScript(protocol, ["uno ", "due"], { 1: cut.promise }));
    const second = call(models, model);
    await Promise.all([first.heard(), second.heard()]);
    second.abort();
    expect(await second.error()).toMatchObject({ kind: "cancelled" });
    kept.open();
    expect((await first.reply).parts).toMatchObject([{ type: "text", text: "one two" }]);
    expect(second.live).toEqual([{ type: "text", index: 0, delta: "uno " }]);
    cut.open();
  });

  it("is made ready without a byte to the provider, leaves when it is sent, and may be dropped", async () => {
    const models = port();
    const [ready, unwanted] = [models.prepare?.(asking(model)), models.prepare?.(asking(model))];
    // Long enough for whatever would have come by itself.
    await call(models, model).reply;
    expect(server.requests).toHaveLength(1);
    unwanted?.drop();
    unwanted?.send();
    server.enqueue(protocol, textScript(protocol, ["there"]));
    ready?.send();
    await server.request(1);
    const live: LivePart[] = [];
    const reply = await ready?.stream(new AbortController().signal, (part) => live.push(part));
    expect(reply?.parts).toMatchObject([{ type: "text", text: "there" }]);
    expect(fold(live)).toEqual(reply?.parts);
    ready?.drop();
    await call(models, model).reply;
    expect(server.requests).toHaveLength(3);
  });

  it("cancels a call that was made ready, sent or not", async () => {
    const models = port();
    const late = models.prepare?.(asking(model))?.stream(AbortSignal.abort(), () => {});
    await expect(late).rejects.toMatchObject({ kind: "cancelled" });
    expect(server.requests).toHaveLength(0);
    server.enqueue(protocol, [{ hang: true }]);
    const sent = models.prepare?.(asking(model));
    sent?.send();
    const { ended } = await server.request(0);
    sent?.drop();
    expect(await ended).toBe("client_left");
  });

  it("survives invalid UTF-8, halves of characters and U+0000", async () => {
    const script = textScript(protocol, ["a\\u0000b\\ud83d", "\\ude00c@@@"]).map((step): Step => {
      if (!("data" in step)) return step;
      const data = typeof step.data === "string" ? step.data : JSON.stringify(step.data);
      const wire = data.replaceAll("\\\\u", "\\u");
      const event = step.event === undefined ? "" : `event: ${step.event}\n`;
      return {
        raw: Buffer.from(
          `${event}data: ${wire}\n\n`.replace("@@@", "\u00ff\u00fe"),
          wire.includes("@@@") ? "latin1" : "utf8",
        ),
      };
    });
    server.enqueue(protocol, script);
    const { reply, live } = call(port(), model);
    const { parts } = await reply;
    expect(parts).toMatchObject([{ type: "text", text: "a\ufffdb😀c\ufffd\ufffd" }]);
    expect(fold(live)).toEqual(parts);
    expect(JSON.stringify(live).isWellFormed()).toBe(true);
  });

  it("takes events that are cut anywhere on the wire", async () => {
    const whole = textScript(protocol, ["Grüße, ", "Welt 👍"]).flatMap((step) =>
      "data" in step
        ? [
            `${step.event === undefined ? "" : `event: ${step.event}\r\n`}data: ${typeof step.data === "string" ? step.data : JSON.stringify(step.data)}\r\n\r\n`,
          ]
        : [],
    );
    const bytes = Buffer.from(whole.join(""), "utf8");
    const cuts = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i): Step => ({
      raw: bytes.subarray(i * 7, i * 7 + 7),
    }));
    server.enqueue(protocol, cuts);
    const { parts } = await call(port(), model).reply;
    expect(parts).toMatchObject([{ type: "text", text: "Grüße, Welt 👍" }]);
  });

  it("does not wait for a server that keeps the connection open after the end", async () => {
    if (protocol === "google") return;
    server.enqueue(protocol, [...textScript(protocol, ["done"]), { hang: true }]);
    expect((await call(port(), model).reply).parts).toMatchObject([{ text: "done" }]);
  });

  it("says that a reply was too long", async () => {
    server.enqueue(protocol, replyScript(protocol, { text: ["cut"], finish: "length" }));
    expect((await call(port(), model).reply).finish_reason).toBe("length");
  });
});

const chunk = (delta: object, finish_reason: string | null = null): Step => ({
  data: { choices: [{ index: 0, delta, finish_reason }] },
});
const toolDelta = (fields: object): Step => chunk({ tool_calls: [fields] });

describe.each(["openai-chat/m", "vllm/m"])("Chat Completions oddities, %s", (model) => {
  it("reads a stream without [DONE], and one that only says [DONE]", async () => {
    server.enqueue("openai-chat", [chunk({ content: "Hi" }), chunk({}, "stop")]);
    expect((await call(port(), model).reply).parts).toMatchObject([{ text: "Hi" }]);
    server.enqueue("openai-chat", [chunk({ content: "Hi" }), { data: "[DONE]" }]);
    expect(await call(port(), model).reply).toMatchObject({
      finish_reason: "stop",
      parts: [{ text: "Hi" }],
    });
  });

  it("skips and counts events that it does not know", async () => {
    server.enqueue("openai-chat", [
      { raw: ": keep-alive\n\n" },
      { event: "ping", data: {} },
      { data: { object: "prompt_progress", done: 0.5 } },
      chunk({ content: "Hi", novelty: { a: 1 } }),
      { data: { choices: "none" } },
      chunk({}, "stop"),
      { data: "[DONE]" },
    ]);
    const { parts, skipped_events } = await call(port(), model).reply;
    expect(parts).toMatchObject([{ text: "Hi" }]);
    expect(skipped_events).toBe(3);
  });

  it("tells calls apart whose ids are missing or the same", async () => {
    server.enqueue("openai-chat", [
      toolDelta({ index: 0, function: { name: "a", arguments: '{"n":' } }),
      toolDelta({ index: 0, function: { arguments: "1}" } }),
      toolDelta({ index: 1, id: "x", function: { name: "b", arguments: '{"n":2}' } }),
      toolDelta({ index: 2, id: "x", function: { name: "b", arguments: '{"n":3}' } }),
      toolDelta({ index: 3, id: "used", function: { name: "b", arguments: "" } }),
      chunk({}, "stop"),
      { data: "[DONE]" },
    ]);
    const { reply, live } = call(port(), model, { used_call_ids: new Set(["used"]) });
    const { parts, finish_reason } = await reply;
    const calls = parts.filter((part) => part.type === "tool-call");
    expect(calls.map(({ input }) => input)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, {}]);
    const ids = calls.map(({ tool_call_id }) => tool_call_id);
    expect(new Set([...ids, "used", ""]).size).toBe(6);
    expect(finish_reason).toBe("tool_calls");
    expect(fold(live)).toEqual(parts);
  });

  it("keeps a call whose arguments are no JSON, and sends it back as an empty one with its error", async () => {
    server.enqueue("openai-chat", [
      toolDelta({ index: 0, id: "x", function: { name: "a", arguments: '{"n": oops' } }),
      chunk({}, "tool_calls"),
    ]);
    const { parts, finish_reason } = await call(port(), model).reply;
    expect(parts).toEqual([
      {
        type: "tool-call",
        tool_call_id: "x",
        tool_name: "a",
        input: null,
        input_text: '{"n": oops',
      },
    ]);
    await call(port(), model, {
      messages: [
        { role: "user", parts: [{ type: "text", text: "Hi" }], finish_reason: null, model: null },
        { role: "assistant", parts, finish_reason, model },
      ],
    }).reply;
    expect(server.requests[1]?.body["messages"]).toMatchObject([
      { role: "system" },
      { role: "user" },
      { role: "assistant", tool_calls: [{ id: "x", function: { name: "a", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "x" },
    ]);
  });

  it("sends configured headers and the key", async () => {
    await call(port(), model).reply;
    const { headers } = server.requests[0]!;
    if (model === "vllm/m") expect(headers["x-extra"]).toBe("extra-value");
    else expect(headers.authorization).toBe("Bearer test-key");
  });
});

describe("Anthropic oddities", () => {
  const model = "anthropic/claude-sonnet-5-5";
  const event = (type: string, fields: object = {}): Step => ({
    event: type,
    data: { type, ...fields },
  });
  const start = event("message_start", { message: { id: "m", usage: { input_tokens: 1 } } });
  const end = (stop_reason: string): Step[] => [
    event("message_delta", { delta: { stop_reason }, usage: { output_tokens: 2 } }),
    event("message_stop"),
  ];

  it("skips unknown events, blocks and deltas, also as the very first event", async () => {
    server.enqueue("anthropic", [
      event("weather_report", { text: "x" }),
      start,
      event("ping"),
      event("content_block_start", { index: 0, content_block: { type: "hologram", text: "x" } }),
      event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "not shown" } }),
      event("content_block_stop", { index: 0 }),
      event("content_block_start", { index: 1, content_block: { type: "text", text: "" } }),
      event("content_block_delta", { index: 1, delta: { type: "mood_delta", mood: "good" } }),
      event("content_block_delta", { index: 1, delta: { type: "text_delta", text: "shown" } }),
      event("content_block_stop", { index: 1 }),
      ...end("end_turn"),
    ]);
    const { parts, skipped_events } = await call(port(), model).reply;
    expect(parts).toEqual([{ type: "text", text: "shown" }]);
    expect(skipped_events).toBe(5);
  });

  it("tells pause and refusal from a stop", async () => {
    server.enqueue("anthropic", [start, ...end("pause_turn")]);
    expect((await call(port(), model).reply).finish_reason).toBe("pause");
    server.enqueue("anthropic", [start, ...end("refusal")]);
    expect((await call(port(), model).reply).finish_reason).toBe("content_filter");
  });

  it("thinks when an effort is asked for, and sends signed thinking back", async () => {
    server.enqueue(
      "anthropic",
      replyScript("anthropic", { reasoning: ["Hm", "m."], text: ["So."] }),
    );
    const { parts, finish_reason } = await call(port(), model, { reasoning_effort: "high" }).reply;
    expect(parts).toEqual([
      { type: "reasoning", text: "Hmm.", provider_metadata: { anthropic: { signature: "c2ln" } } },
      { type: "text", text: "So." },
    ]);
    expect(server.requests[0]?.body).toHaveProperty("thinking");
    await call(port(), model, {
      messages: [
        { role: "user", parts: [{ type: "text", text: "Hi" }], finish_reason: null, model: null },
        { role: "assistant", parts, finish_reason, model },
        { role: "user", parts: [{ type: "text", text: "And?" }], finish_reason: null, model: null },
      ],
    }).reply;
    expect(JSON.stringify(server.requests[1]?.body)).toContain('"signature":"c2ln"');
  });
});

describe("OpenAI Responses", () => {
  it("keeps nothing at the provider and takes encrypted reasoning along", async () => {
    const model = "openai/gpt-5.4";
    server.enqueue(
      "openai-responses",
      replyScript("openai-responses", { reasoning: ["Hmm."], text: ["So."] }),
    );
    const { parts, finish_reason } = await call(port(), model, { reasoning_effort: "low" }).reply;
    const body = server.requests[0]?.body;
    expect(body).toMatchObject({
      store: false,
      include: ["reasoning.encrypted_content"],
      reasoning: { effort: "low" },
    });
    await call(port(), model, {
      messages: [
        { role: "user", parts: [{ type: "text", text: "Hi" }], finish_reason: null, model: null },
        { role: "assistant", parts, finish_reason, model },
        { role: "user", parts: [{ type: "text", text: "And?" }], finish_reason: null, model: null },
      ],
    }).reply;
    const input = server.requests[1]?.body["input"] as {
      type?: string;
      encrypted_content?: string;
    }[];
    expect(input.find(({ type }) => type === "reasoning")).toMatchObject({
      encrypted_content: "e1",
    });
  });

  it("counts event types that it does not know", async () => {
    const steps = textScript("openai-responses", ["Hi"]);
    const odd: Step = {
      event: "response.aura.delta",
      data: { type: "response.aura.delta", delta: "x" },
    };
    server.enqueue("openai-responses", [steps[0]!, odd, ...steps.slice(1)]);
    const { parts, skipped_events } = await call(port(), "openai/gpt-5.4").reply;
    expect(parts).toMatchObject([{ text: "Hi" }]);
    expect(skipped_events).toBe(1);
  });
});

it("lets a model have its own silence limits", async () => {
  const clock = new ManualClock();
  server.enqueue("openai-chat", [{ hang: true }]);
  const { error } = call(
    port(clock, { firstEventMs: 50_000, models: { "vllm/m": { firstEventMs: 5_000 } } }),
    "vllm/m",
  );
  await server.request(0);
  await clock.advance(5_001);
  expect(await error()).toMatchObject({
    kind: "stream_silence",
    message: "The provider sent nothing for 5 s.",
  });
});

it("does not take pings for a sign of life", async () => {
  const clock = new ManualClock();
  const script = textScript("anthropic", ["a", "b"]);
  const ping: Step = { event: "ping", data: { type: "ping" } };
  server.enqueue("anthropic", [
    ...script.slice(0, 3),
    ping,
    ping,
    { raw: ": alive\n\n" },
    { hang: true },
  ]);
  const { error, heard } = call(port(clock), "anthropic/claude-sonnet-5-5");
  await heard();
  await clock.advance(10 * 60_000 + 1);
  expect(await error()).toMatchObject({ kind: "stream_silence" });
});

it("reads a stream that a gateway has compressed", async () => {
  const sse =
    'data: {"choices":[{"index":0,"delta":{"content":"small"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  const headers = { "content-type": "text/event-stream", "content-encoding": "gzip" };
  server.enqueue("openai-chat", [{ status: 200, headers, body: gzipSync(sse) }]);
  expect((await call(port(), "vllm/m").reply).parts).toEqual([{ type: "text", text: "small" }]);
  server.enqueue("openai-chat", [{ status: 200, headers, body: gzipSync(sse).subarray(0, 30) }]);
  expect(await call(port(), "vllm/m").error()).toMatchObject({ kind: "network", retryable: true });
});
