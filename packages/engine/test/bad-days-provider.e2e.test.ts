import type { ErrorKind } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectNeverBlank,
  expectSoundStream,
  onlooker,
  textOf,
} from "./onlooker.ts";
import {
  replyScript,
  textScript,
  type Protocol,
  type RecordedRequest,
  type Script,
  type Step,
} from "./provider-server.ts";
import { startRig, type Rig } from "./rig.ts";

/**
 * Everything that a provider may do to us, over each of the wire protocols: ends in an error that says what it is, or in
 * a recovery; the stream tells what the database holds, and the next message is answered.
 */

const wires: Record<Protocol, string> = {
  "openai-responses": "openai/scripted",
  "openai-chat": "openai-chat/scripted",
  anthropic: "anthropic/scripted",
  google: "google/scripted",
};
const protocols = Object.keys(wires) as Protocol[];

const key = "sk-a-key-that-nobody-may-see-0123456789";
const recovered = "I am back.";
const never = new Promise<never>(() => {});

interface BadDay {
  readonly name: string;
  /** What is said at the first call; from the second on the provider is well. */
  readonly says: (protocol: Protocol) => Script;
  /** Announced by a retry event, or the end of the turn. */
  readonly kind?: ErrorKind;
  readonly ends: "retried" | "error" | "committed";
  readonly status?: number;
  readonly delayMsMin?: number;
  readonly except?: readonly Protocol[];
  /** The text of the reply's messages, where it is not `recovered`. */
  readonly text?: string;
}

const html = (status: number): Script => [
  {
    status,
    headers: { "content-type": "text/html" },
    body: "<!doctype html><html><head><title>Oops</title></head><body><h1>nginx</h1></body></html>",
  },
];

const refusal = (status: number, type: string, message: string, headers = {}): Script => [
  { status, headers, body: { type: "error", error: { type, message, code: status } } },
];

/** The events of a reply up to the first piece of its text, which is the first half. */
function half(protocol: Protocol): Step[] {
  const steps = textScript(protocol, ["Half of it, ", "and the rest."], { 1: never });
  return steps.slice(
    0,
    steps.findIndex((step) => "gate" in step),
  );
}

/** The same events as bytes, with bytes that are no UTF-8 in the place of `BAD`. */
function garbled(protocol: Protocol): Script {
  return textScript(protocol, ["a BAD b, ", "and on."]).map((step) => {
    if (!("data" in step)) return step;
    const data = typeof step.data === "string" ? step.data : JSON.stringify(step.data);
    const name = step.event === undefined ? "" : `event: ${step.event}\n`;
    const [before = "", after] = `${name}data: ${data}\n\n`.split("BAD");
    const bytes = after === undefined ? [] : [Buffer.from([0xc3, 0x28, 0xff]), Buffer.from(after)];
    return { raw: Buffer.concat([Buffer.from(before), ...bytes]) };
  });
}

const badDays: readonly BadDay[] = [
  {
    name: "401 that repeats the key",
    says: () => refusal(401, "authentication_error", `Incorrect API key provided: ${key}.`),
    kind: "auth",
    ends: "error",
    status: 401,
  },
  {
    name: "429 with Retry-After",
    says: () => refusal(429, "rate_limit_error", "Slow down.", { "retry-after": "1" }),
    kind: "rate_limit",
    ends: "retried",
    status: 429,
    delayMsMin: 1_000,
  },
  {
    name: "429 for good",
    says: () => refusal(429, "insufficient_quota", "You exceeded your current quota."),
    kind: "quota",
    ends: "error",
    status: 429,
  },
  {
    name: "500",
    says: () => refusal(500, "api_error", "Something broke."),
    kind: "server",
    ends: "retried",
    status: 500,
  },
  {
    name: "529",
    says: () => refusal(529, "overloaded_error", "Overloaded."),
    kind: "overloaded",
    ends: "retried",
    status: 529,
  },
  { name: "an HTML page with 502", says: () => html(502), kind: "overloaded", ends: "retried" },
  { name: "an HTML page with 200", says: () => html(200), kind: "config", ends: "error" },
  {
    name: "half a stream, broken off",
    says: (protocol) => [...half(protocol), { drop: true }],
    kind: "network",
    ends: "retried",
  },
  {
    name: "half a stream, ended as if it were whole",
    says: half,
    kind: "network",
    ends: "retried",
  },
  {
    name: "nothing at all, without end",
    says: () => [{ hang: true }],
    kind: "stream_silence",
    ends: "retried",
  },
  {
    name: "half a stream, then nothing without end",
    says: (protocol) => [...half(protocol), { hang: true }],
    kind: "stream_silence",
    ends: "retried",
  },
  {
    name: "bytes that are no UTF-8",
    says: garbled,
    ends: "committed",
    text: "a \uFFFD(\uFFFD b, and on.",
  },
  {
    name: "a line that is no JSON",
    says: (protocol) => [...half(protocol), { raw: "data: {not json\n\n" }, { hang: true }],
    ends: "retried",
  },
];

let rig: Rig;
const calls = new Map<string, number>();

function respond(request: RecordedRequest): Script {
  const { protocol } = request;
  const named = /<<(.*?)>>/.exec(JSON.stringify(request.body))?.[1] ?? "";
  const day = badDays.find(({ name }) => name === named);
  const chat = `${protocol} ${named}`;
  const call = (calls.get(chat) ?? 0) + 1;
  calls.set(chat, call);
  if (call > 1) return textScript(protocol, [recovered]);
  return day?.says(protocol) ?? brokenCall(protocol);
}

const brokenInput = '{"q": "te';

function brokenCall(protocol: Protocol): Script {
  const call = { id: "call_1", name: "lookup", input: ['{"q": ', '"te'] };
  return replyScript(protocol, { text: ["Let me see."], calls: [call] });
}

beforeAll(async () => {
  rig = await startRig({
    embedded: true,
    providers: {
      openaiChat: respond,
      openaiResponses: respond,
      anthropic: respond,
      google: respond,
    },
    env: {
      PARLEY_MODEL_FIRST_EVENT_SECONDS: "1",
      PARLEY_MODEL_SILENCE_SECONDS: "2",
      OPENAI_API_KEY: key,
      ANTHROPIC_API_KEY: key,
      GOOGLE_GENERATIVE_AI_API_KEY: key,
    },
  });
});
afterAll(async () => {
  await rig?.close();
});

describe.concurrent.each(protocols)("a provider that speaks %s", (protocol) => {
  test.for(badDays)("answers with $name (C39)", async (day, { onTestFinished }) => {
    const { chat } = await rig.client.createChat({
      content: `<<${day.name}>>`,
      model: wires[protocol],
    });
    const screen = onlooker(rig.client, chat.id);
    onTestFinished(async () => await screen.close());
    await screen.until(`the end of "${day.name}"`, settled);

    // Whoever joins, or comes back, is told again of the retry that is being waited for.
    const told = screen.events.filter((event) => event.type === "retry");
    const retries = [...new Map(told.map((retry) => [retry.data.attempt, retry])).values()];
    const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
    const now = await rig.client.getChat(chat.id);
    if (day.ends === "error") {
      expect(now.last_error).toMatchObject({ kind: day.kind, retryable: false });
      expect(screen.transcript.error).toEqual(now.last_error);
      if (day.status !== undefined) expect(now.last_error?.status_code).toBe(day.status);
      expect(retries).toEqual([]);
      expect(messages).toHaveLength(1);
    } else {
      expect(now).toMatchObject({ status: "waiting", last_error: null });
      expect(messages.map(textOf)[1]).toBe(day.text ?? recovered);
    }
    if (day.ends === "retried") {
      expect(retries).toHaveLength(1);
      const [retry] = retries;
      if (day.kind !== undefined) expect(retry?.data.kind).toBe(day.kind);
      if (day.status !== undefined) expect(retry?.data.status_code).toBe(day.status);
      expect(retry?.data.delay_ms).toBeGreaterThanOrEqual(day.delayMsMin ?? 0);
      expect(retry?.data.delay_ms).toBeLessThanOrEqual(5_000);
    }
    expectSoundStream(screen.events);
    expectNeverBlank(screen.events);
    expect(JSON.stringify(screen.events)).not.toContain(key);

    const known = screen.transcript.messages.length;
    await rig.client.sendMessage(chat.id, { content: "Are you there?" });
    await screen.until("the next turn", (t) => settled(t) && t.messages.length === known + 2);
    const after = await expectEqualToDatabase(rig.client, chat.id, screen);
    expect(after.map(textOf).at(-1)).toBe(recovered);
    expect(screen.transcript.error).toBeNull();
  });
});

// Google's calls come whole, as JSON within the event's JSON.
describe.concurrent.each(protocols.filter((protocol) => protocol !== "google"))(
  "a provider that speaks %s",
  (protocol) => {
    test("calls a tool with broken JSON", async ({ onTestFinished }) => {
      const { chat } = await rig.client.createChat({
        content: "<<broken call>>",
        model: wires[protocol],
        client_tools: [{ name: "lookup", input_schema: { type: "object" } }],
      });
      const screen = onlooker(rig.client, chat.id);
      onTestFinished(async () => await screen.close());
      await screen.until("the end", settled);
      const messages = await expectEqualToDatabase(rig.client, chat.id, screen);
      expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
      expect(messages[1]?.parts.at(-1)).toMatchObject({ input: null, input_text: brokenInput });
      expect(messages[2]?.parts).toMatchObject([{ type: "tool-result", is_error: true }]);
      expect(textOf(messages[3])).toBe(recovered);
      expectSoundStream(screen.events);
    });
  },
);

test("none of it put a key into the log", () => {
  expect(rig.server.output()).not.toContain(key);
});
