import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startProviderServer, type ProviderServer } from "../../test/provider-server.ts";
import { histories, writers } from "../../test/wire-histories.ts";
import { problemsOf } from "../../test/wire-rules.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import type { ModelPort, PromptMessage } from "./model-port.ts";
import { createModels } from "./registry.ts";

/**
 * Whatever history, what goes over the wire is what its provider takes: held on the bodies that the providers' real
 * packages send, for every protocol.
 */

let server: ProviderServer;
let models: ModelPort;
beforeAll(async () => {
  server = await startProviderServer();
  const at = (protocol: "openai-responses" | "anthropic" | "google") => ({
    apiKey: "k",
    baseURL: server.baseURL(protocol),
  });
  models = createModels(
    {
      openai: at("openai-responses"),
      anthropic: at("anthropic"),
      google: at("google"),
      compatible: [{ name: "vllm", baseURL: server.baseURL("openai-chat") }],
      demo: false,
    },
    { clock: systemClock, random: seededRandom("wire") },
  );
});
afterAll(async () => await server.close());

async function bodyOf(model: string, messages: readonly PromptMessage[], system: string | null) {
  await models.stream(
    {
      model,
      reasoning_effort: null,
      system_prompt: system,
      messages,
      tools: [
        { name: "add", input_schema: { type: "object" } },
        { name: "zebra", input_schema: {} },
      ],
      used_call_ids: new Set(),
      signal: new AbortController().signal,
    },
    () => {},
  );
  const request = server.requests.at(-1);
  if (request === undefined) throw new Error("nothing was sent");
  return request;
}

const runs = 150;

describe.each(Object.values(writers))("what is sent to %s", (model) => {
  it("obeys its protocol, whatever came before", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(histories, fc.boolean(), async (messages, hasSystem) => {
        const { protocol, body } = await bodyOf(model, messages, hasSystem ? "Be brief." : null);
        expect(problemsOf(protocol, body)).toEqual([]);
      }),
      { numRuns: runs },
    );
  });

  it("has the proofs of its own reasoning unaltered, and nobody else's", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (messages) => {
        const { body } = await bodyOf(model, messages, null);
        const sent = new Set(JSON.stringify(body).match(/(sig|enc|thought|call|secret)-\d+/g));
        const own = new Set(
          JSON.stringify(messages.filter((message) => message.model === model)).match(
            /(sig|enc|thought|call|secret)-\d+/g,
          ),
        );
        expect([...sent].filter((proof) => !own.has(proof))).toEqual([]);
      }),
      { numRuns: runs / 3 },
    );
  });
});

describe("a proof", () => {
  const asked: PromptMessage = {
    role: "user",
    parts: [{ type: "text", text: "Hi" }],
    finish_reason: null,
    model: null,
  };

  it.each([
    [writers.anthropic, { anthropic: { signature: "sig-1" } }, '"signature":"sig-1"'],
    [
      writers.openai,
      { openai: { itemId: "rs_1", reasoningEncryptedContent: "enc-1" } },
      '"encrypted_content":"enc-1"',
    ],
    [
      writers.google,
      { google: { thoughtSignature: "thought-1" } },
      '"thoughtSignature":"thought-1"',
    ],
  ])("of %s goes back with its reasoning", async (model, provider_metadata, expected) => {
    const reply: PromptMessage = {
      role: "assistant",
      parts: [
        { type: "reasoning", text: "Hm", provider_metadata },
        { type: "text", text: "So." },
      ],
      finish_reason: "stop",
      model,
    };
    const { body } = await bodyOf(model, [asked, reply, asked], null);
    expect(JSON.stringify(body)).toContain(expected);
  });
});
