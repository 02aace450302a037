import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { fold, type LivePart } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { ModelError, type ModelPort } from "../../src/models/model-port.ts";
import { createModels } from "../../src/models/registry.ts";
import { within } from "../eventually.ts";
import {
  recordingScript,
  replyScript,
  startProviderServer,
  type Protocol,
  type ProviderServer,
  type Script,
} from "../provider-server.ts";
import { fuzz, fuzzMsMax } from "./budget.ts";
import { cuts, inPieces, mutated, mutations } from "./mutations.ts";

/** Whatever arrives from a provider: a reply that its live parts fold to, or a typed error; in time, and nothing is left. */

const models: Readonly<Record<Protocol, string>> = {
  "openai-responses": "openai/gpt-5.4",
  "openai-chat": "replay/any",
  anthropic: "anthropic/claude-sonnet-5-5",
  google: "google/gemini-3.8-flash",
};
const protocols = Object.keys(models) as Protocol[];
const replyMsMax = 20_000;

let server: ProviderServer;
let port: ModelPort;
beforeAll(async () => {
  server = await startProviderServer();
  const key = (protocol: Protocol) => ({ apiKey: "test-key", baseURL: server.baseURL(protocol) });
  port = createModels(
    {
      openai: key("openai-responses"),
      anthropic: key("anthropic"),
      google: key("google"),
      compatible: [{ name: "replay", baseURL: server.baseURL("openai-chat") }],
      demo: false,
    },
    { clock: systemClock, random: seededRandom("fuzz") },
  );
});
afterAll(() => server.close());

/** What the script says, as bytes. */
function bytesOf(script: Script): Buffer {
  return Buffer.concat(
    script.map((step) => {
      if ("raw" in step) return Buffer.from(step.raw);
      if (!("data" in step)) return Buffer.alloc(0);
      const data = typeof step.data === "string" ? step.data : JSON.stringify(step.data);
      const name = step.event === undefined ? "" : `event: ${step.event}\n`;
      return Buffer.from(`${name}data: ${data}\n\n`);
    }),
  );
}

/** Replies with everything in them; and real ones, where recordings are there. */
function streamsOf(protocol: Protocol): Buffer[] {
  const scripted = replyScript(protocol, {
    reasoning: ["Let me ", "think."],
    text: ["Hello ", "ünïcode ", "\u{1f600}."],
    calls: [
      { id: "call_1", name: "lookup", input: ['{"q":', '"x"}'] },
      { id: "call_2", name: "lookup", input: ["{}"] },
    ],
  });
  const folder = join(process.env["PARLEY_RECORDINGS"] ?? "/nowhere", protocol);
  const files = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  const recorded = files
    .filter((file) => file.endsWith(".jsonl"))
    .map((file) => bytesOf(recordingScript(protocol, readFileSync(join(folder, file), "utf8"))));
  return [bytesOf(scripted), ...recorded.filter((bytes) => bytes.length < 100_000)];
}

async function expectTypedEnd(model: string): Promise<"reply" | "error"> {
  const live: LivePart[] = [];
  const reply = await within(
    "an end of the call",
    port
      .stream(
        {
          model,
          reasoning_effort: null,
          system_prompt: null,
          messages: [
            {
              role: "user",
              parts: [{ type: "text", text: "Hi" }],
              finish_reason: null,
              model: null,
            },
          ],
          tools: [{ name: "lookup", description: "", input_schema: { type: "object" } }],
          used_call_ids: new Set(),
          signal: new AbortController().signal,
        },
        (part) => live.push(part),
      )
      .catch((error: unknown) => {
        if (error instanceof ModelError) return error;
        throw error;
      }),
    replyMsMax,
  );
  if (reply instanceof ModelError) {
    expect(reply.kind).not.toBe("internal");
    expect(reply.message).not.toBe("");
    return "error";
  }
  expect(fold(live)).toEqual(reply.parts);
  expect(JSON.parse(JSON.stringify(reply.parts))).toEqual(reply.parts);
  return "reply";
}

describe.each(protocols)("a provider that speaks %s", (protocol) => {
  test("and whose bytes are bent on their way", { timeout: fuzzMsMax }, async () => {
    const streams = streamsOf(protocol);
    const ends = new Map<string, number>();
    const cases = fc.record({
      stream: fc.nat(streams.length - 1),
      changes: fc.option(mutations, { freq: 20 }),
      cuts,
      drop: fc.boolean(),
    });
    await fuzz(protocol, cases, 120, async ({ stream, changes, cuts: places, drop }) => {
      const whole = streams[stream] ?? Buffer.alloc(0);
      const bytes = changes === null ? whole : mutated(whole, changes);
      const steps: Script = inPieces(bytes, places).map((raw) => ({ raw }));
      server.enqueue(protocol, drop ? [...steps, { drop: true }] : steps);
      const end = await expectTypedEnd(models[protocol]);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    });
    expect(ends.get("reply")).toBeGreaterThan(0);
    expect(ends.get("error")).toBeGreaterThan(0);
    // And the next call is as good as ever.
    expect(await expectTypedEnd(models[protocol])).toBe("reply");
  });
});
