import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  replyScript,
  startProviderServer,
  type ProviderServer,
} from "../../test/provider-server.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import type { PromptMessage, ToolSpec } from "./model-port.ts";
import { createModels } from "./registry.ts";

let server: ProviderServer;
beforeEach(async () => {
  server = await startProviderServer();
});
afterEach(() => server.close());

const model = "anthropic/claude-sonnet-5-5";
const tools: ToolSpec[] = ["zebra", "apple", "mango"].map((name) => ({
  name,
  input_schema: { type: "object" },
}));

interface Body {
  system: { text: string; cache_control?: unknown }[];
  tools: { name: string; cache_control?: unknown }[];
  messages: { role: string; content: { type: string; cache_control?: unknown }[] }[];
}

async function sent(messages: readonly PromptMessage[], offered = tools): Promise<Body> {
  const models = createModels(
    { anthropic: { apiKey: "k", baseURL: server.baseURL("anthropic") }, demo: false },
    { clock: systemClock, random: seededRandom("cache") },
  );
  await models.stream(
    {
      model,
      reasoning_effort: null,
      system_prompt: "Rules.",
      messages,
      tools: offered,
      used_call_ids: new Set(),
      signal: new AbortController().signal,
    },
    () => {},
  );
  return server.requests.at(-1)?.body as unknown as Body;
}

const user = (text: string): PromptMessage => ({
  role: "user",
  parts: [{ type: "text", text }],
  finish_reason: null,
  model: null,
});
const step = (id: string): PromptMessage[] => [
  {
    role: "assistant",
    parts: [{ type: "tool-call", tool_call_id: id, tool_name: "apple", input: { id } }],
    finish_reason: "tool_calls",
    model,
  },
  {
    role: "tool",
    parts: [
      { type: "tool-result", tool_call_id: id, tool_name: "apple", output: "x", is_error: false },
    ],
    finish_reason: null,
    model: null,
  },
];

/** Where marks are: `system`, or the numbers of messages. */
function marksIn({ system, tools: offered, messages }: Body): (string | number)[] {
  const isMarked = ({ cache_control }: { cache_control?: unknown }): boolean =>
    cache_control !== undefined;
  return [
    ...offered.filter(isMarked).map(({ name }) => name),
    ...(system.some(isMarked) ? ["system"] : []),
    ...messages.flatMap(({ content }, at) => content.filter(isMarked).map(() => at)),
  ];
}

/** What is cached does not depend on where the marks are. */
function withoutMarks(body: Body): string {
  return JSON.stringify(body, (key, value: unknown) =>
    key === "cache_control" ? undefined : value,
  );
}

describe("Anthropic's cache", () => {
  it("is marked after the system prompt, where the last call ended, and at the end", async () => {
    const first = [user("Go.")];
    const second = [...first, ...step("a")];
    const third = [...second, ...step("b"), ...step("c")];
    expect(marksIn(await sent(first))).toEqual(["system", 0]);
    expect(marksIn(await sent(second))).toEqual(["system", 0, 2]);
    expect(marksIn(await sent(third))).toEqual(["system", 4, 6]);
    const next = [...third, { ...user("x"), role: "assistant", model } as const, user("More.")];
    expect(marksIn(await sent(next))).toEqual(["system", 6, 8]);
  });

  it("finds what the step before has sent, byte for byte, in whatever order tools were registered", async () => {
    const first = [user("Go."), ...step("a")];
    const before = await sent(first);
    const after = await sent([...first, ...step("b")], tools.toReversed());
    expect(after.tools.map(({ name }) => name)).toEqual(["apple", "mango", "zebra"]);
    expect(JSON.stringify(after.tools)).toBe(JSON.stringify(before.tools));
    expect(JSON.stringify(after.system)).toBe(JSON.stringify(before.system));
    const end = (body: Body): Body => ({ ...body, messages: body.messages.slice(0, 3) });
    expect(withoutMarks(end(after))).toBe(withoutMarks(before));
    // The end of the step before is marked in both: its cache entry is looked up there.
    expect(JSON.stringify(after.messages[2])).toBe(JSON.stringify(before.messages[2]));
  });

  it("says how much of the prompt was read from it", async () => {
    const [start, ...rest] = replyScript("anthropic", { text: ["Hi"] });
    const data = (start as { data: { message: { usage: object } } }).data;
    const usage = { ...data.message.usage, input_tokens: 3, cache_read_input_tokens: 40 };
    server.enqueue("anthropic", [
      { event: "message_start", data: { ...data, message: { ...data.message, usage } } },
      ...rest,
    ]);
    const models = createModels(
      { anthropic: { apiKey: "k", baseURL: server.baseURL("anthropic") }, demo: false },
      { clock: systemClock, random: seededRandom("cache") },
    );
    const reply = await models.stream(
      {
        model,
        reasoning_effort: null,
        system_prompt: null,
        messages: [user("Hi")],
        tools: [],
        used_call_ids: new Set(),
        signal: new AbortController().signal,
      },
      () => {},
    );
    expect(reply.usage).toMatchObject({ cached_input_tokens: 40, input_tokens: 43 });
    expect(reply.usage).toHaveProperty("cache_write_input_tokens");
  });
});
