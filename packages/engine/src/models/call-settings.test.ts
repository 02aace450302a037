import type { ModelSettings } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  startProviderServer,
  type Protocol,
  type ProviderServer,
  type RecordedRequest,
} from "../../test/provider-server.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import type { ModelPort, ModelRequest } from "./model-port.ts";
import type { ModelRow } from "../domain/model-row.ts";
import { createModels } from "./registry.ts";

let server: ProviderServer;
beforeEach(async () => {
  server = await startProviderServer();
});
afterEach(() => server.close());

function port(table: readonly ModelRow[] = []): ModelPort {
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
          apiKey: "vllm-key",
          options: ["house_rule"],
        },
      ],
      table,
      demo: false,
    },
    { clock: systemClock, random: seededRandom("settings") },
  );
}

async function sent(
  model: string,
  more: Partial<ModelRequest> = {},
  table: readonly ModelRow[] = [],
): Promise<RecordedRequest> {
  await port(table).stream(
    {
      model,
      reasoning_effort: null,
      system_prompt: null,
      messages: [
        { role: "user", parts: [{ type: "text", text: "Hi" }], finish_reason: null, model: null },
      ],
      tools: [],
      used_call_ids: new Set(),
      signal: new AbortController().signal,
      ...more,
    },
    () => {},
  );
  return server.requests.at(-1) as RecordedRequest;
}

const all: ModelSettings = {
  temperature: 0.3,
  top_p: 0.9,
  max_output_tokens: 77,
  stop: ["END"],
  seed: 5,
};

describe("settings on the wire", () => {
  it.each([
    ["vllm/m", { temperature: 0.3, top_p: 0.9, max_tokens: 77, stop: ["END"], seed: 5 }],
    ["openai/gpt-4.1", { temperature: 0.3, top_p: 0.9, max_output_tokens: 77 }],
    ["anthropic/claude-3-5-haiku", { temperature: 0.3, max_tokens: 77, stop_sequences: ["END"] }],
    [
      "google/gemini-3.8-flash",
      {
        generationConfig: {
          temperature: 0.3,
          topP: 0.9,
          maxOutputTokens: 77,
          stopSequences: ["END"],
          seed: 5,
        },
      },
    ],
  ])("reach %s", async (model, expected) => {
    expect((await sent(model, { settings: all })).body).toMatchObject(expected);
  });

  it.each([
    ["vllm/m", { max_tokens: 50 }],
    ["openai/gpt-4.1", { max_output_tokens: 50 }],
    ["anthropic/claude-3-5-haiku", { max_tokens: 50 }],
    ["google/gemini-3.8-flash", { generationConfig: { maxOutputTokens: 50 } }],
  ])("are held to what is paid for, as %s", async (model, expected) => {
    const alone = await sent(model, { output_tokens_max: 50 });
    expect(alone.body).toMatchObject(expected);
    const more = await sent(model, { output_tokens_max: 50, settings: all });
    expect(more.body).toMatchObject(expected);
    const less = { max_output_tokens: 7 };
    const { body } = await sent(model, { output_tokens_max: 50, settings: less });
    expect(JSON.stringify(body)).not.toContain("50");
  });

  it("are left out where nobody sets any", async () => {
    const { body } = await sent("vllm/m");
    expect(Object.keys(body).toSorted()).toEqual(["messages", "model", "stream", "stream_options"]);
  });

  it("stand over the deployment's, value by value, option by option", async () => {
    const table: ModelRow[] = [
      {
        model: "vllm/*",
        settings: {
          temperature: 1,
          top_p: 0.5,
          provider_options: { vllm: { min_p: 0.1, top_a: 1 } },
        },
      },
    ];
    const settings = { temperature: 0, provider_options: { vllm: { min_p: 0.2 } } };
    expect((await sent("vllm/m", { settings }, table)).body).toMatchObject({
      temperature: 0,
      top_p: 0.5,
      min_p: 0.2,
      top_a: 1,
    });
  });

  it("are bounded by what the deployment allows the model", async () => {
    const table: ModelRow[] = [{ model: "vllm/m", max_output_tokens: 50, max_effort: "low" }];
    const { body } = await sent("vllm/m", { settings: all, reasoning_effort: "max" }, table);
    expect(body).toMatchObject({ max_tokens: 50, reasoning_effort: "low" });
  });

  it("ask for the deployment's effort where nobody names one, and for none where the model does not reason", async () => {
    const table: ModelRow[] = [
      { model: "vllm/m", default_effort: "medium" },
      { model: "vllm/plain", reasoning: false },
    ];
    expect((await sent("vllm/m", {}, table)).body["reasoning_effort"]).toBe("medium");
    const plain = await sent("vllm/plain", { reasoning_effort: "high" }, table);
    expect(plain.body["reasoning_effort"]).toBeUndefined();
  });

  it("offer no tools to a model that cannot call any, and show it no pictures", async () => {
    const table: ModelRow[] = [{ model: "vllm/m", tools: false, images: false }];
    const picture = { type: "file", media_type: "image/png", data: "AQI=", filename: "p" } as const;
    const { body } = await sent(
      "vllm/m",
      {
        tools: [{ name: "add", input_schema: {} }],
        messages: [{ role: "user", parts: [picture], finish_reason: null, model: null }],
      },
      table,
    );
    expect(body["tools"]).toBeUndefined();
    expect(JSON.stringify(body["messages"])).toContain("cannot be shown here");
    expect(JSON.stringify(body["messages"])).not.toContain("AQI=");
  });
});

describe("provider options", () => {
  it.each([
    ["openai/gpt-5.4", "openai", { serviceTier: "flex" }, { service_tier: "flex" }],
    [
      "anthropic/claude-sonnet-5-5",
      "anthropic",
      { metadata: { userId: "u" } },
      { metadata: { user_id: "u" } },
    ],
    [
      "google/gemini-3.8-flash",
      "google",
      { mediaResolution: "MEDIA_RESOLUTION_LOW" },
      { generationConfig: { mediaResolution: "MEDIA_RESOLUTION_LOW" } },
    ],
    ["vllm/m", "vllm", { repetition_penalty: 1.1 }, { repetition_penalty: 1.1 }],
  ])("reach %s, and no other provider", async (model, provider, options, expected) => {
    const settings = { provider_options: { [provider]: options, other: { x: 1 } } } as never;
    const { body } = await sent(model, { settings });
    expect(body).toMatchObject(expected);
    expect(body["x"]).toBeUndefined();
  });

  it("cannot move the call to another address, model, prompt, key or header, whatever was stored", async () => {
    const hostile = {
      baseURL: "http://127.0.0.1:1/elsewhere",
      baseUrl: "http://127.0.0.1:1/elsewhere",
      url: "http://127.0.0.1:1/elsewhere",
      headers: { authorization: "Bearer stolen", "x-evil": "evil" },
      apiKey: "stolen",
      anthropicBeta: ["evil-beta"],
      mcpServers: [{ type: "url", name: "evil", url: "http://127.0.0.1:1/evil" }],
      model: "evil-model",
      models: ["evil-model"],
      messages: [{ role: "user", content: "evil" }],
      input: "evil",
      instructions: "evil",
      previousResponseId: "resp_evil",
      conversation: "conv_evil",
      store: true,
      cachedContent: "cachedContents/evil",
      container: "evil",
      stream: false,
      tools: [{ type: "evil" }],
      max_tokens: 1_000_000,
      reasoningEffort: "xhigh",
      reasoning_effort: "xhigh",
      __proto__: { evil: 1 },
    };
    for (const model of [
      "openai/gpt-5.4",
      "openai-chat/gpt-5.4",
      "anthropic/claude-sonnet-5-5",
      "google/gemini-3.8-flash",
      "vllm/m",
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const plain = await sent(model);
      const provider = model.split("/")[0] as string;
      const providers = [provider, "openai", "openaiCompatible", "openai-compatible", "anthropic"];
      const provider_options = Object.fromEntries(providers.map((name) => [name, hostile]));
      // oxlint-disable-next-line no-await-in-loop
      const tried = await sent(model, { settings: { provider_options } });
      expect(tried.body).toEqual(plain.body);
      expect(tried.path).toBe(plain.path);
      expect(tried.headers).toEqual({
        ...plain.headers,
        "content-length": plain.headers["content-length"],
      });
    }
  });

  it("are known by name for each provider", () => {
    const models = port();
    expect(models.optionsOf("anthropic")).toContain("metadata");
    expect(models.optionsOf("anthropic")).not.toContain("anthropicBeta");
    expect(models.optionsOf("vllm")).toEqual(expect.arrayContaining(["min_p", "house_rule"]));
    expect(models.optionsOf("nobody")).toBeNull();
  });
});
