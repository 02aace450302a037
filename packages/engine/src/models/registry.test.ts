import { describe, expect, it } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import { unknownTraits } from "./model-table.ts";
import { createModels, ModelsConfigInvalid, type ModelsConfig } from "./registry.ts";

const create = (config: ModelsConfig) =>
  createModels(config, { clock: systemClock, random: seededRandom(1) });

describe("createModels", () => {
  it("offers the demo models where nothing is configured", () => {
    const models = create({ demo: true });
    expect(models.defaultModel()).toBe("demo/demo");
    expect(models.list().map(({ id }) => id)).toEqual(["demo/demo", "demo/echo", "demo/fast"]);
    expect(models.has("openai/gpt-5")).toBe(false);
    expect(models.info("openai/gpt-5")).toBeNull();
  });

  it("takes any model of a configured provider, with slashes in its name too", () => {
    const models = create({
      openai: { apiKey: "k" },
      compatible: [{ name: "router", baseURL: "http://localhost:1/v1" }],
      demo: true,
    });
    for (const model of [
      "openai/new-model",
      "openai-chat/x",
      "router/meta/llama-9:free",
      "demo/demo",
    ]) {
      expect(models.has(model)).toBe(true);
    }
    for (const model of ["anthropic/claude", "openai/", "openai", "", "/x", "other/x"]) {
      expect(models.has(model)).toBe(false);
    }
    expect(models.info("router/meta/llama-9:free")).toEqual({
      id: "router/meta/llama-9:free",
      provider: "router",
      name: "meta/llama-9:free",
      ...unknownTraits,
    });
  });

  it("chooses a default of the first provider, unless told otherwise", () => {
    expect(create({ anthropic: { apiKey: "k" }, demo: true }).defaultModel()).toMatch(
      /^anthropic\/claude-/,
    );
    expect(
      create({ openai: { apiKey: "k" }, anthropic: { apiKey: "k" }, demo: true }).defaultModel(),
    ).toMatch(/^openai\//);
    const vllm = {
      name: "vllm",
      baseURL: "http://localhost:8000",
      models: [{ name: "m", context_window_tokens: 9 }],
    };
    expect(create({ compatible: [vllm], demo: true }).defaultModel()).toBe("vllm/m");
    expect(create({ compatible: [vllm], demo: true }).info("vllm/m")?.context_window_tokens).toBe(
      9,
    );
    expect(
      create({ openai: { apiKey: "k" }, defaultModel: "demo/echo", demo: true }).defaultModel(),
    ).toBe("demo/echo");
  });

  it.each<[string, ModelsConfig]>([
    ["a default of no configured provider", { demo: true, defaultModel: "openai/gpt-5" }],
    ["nothing to choose from", { demo: false }],
    ["a base URL that is none", { demo: true, openai: { apiKey: "k", baseURL: "localhost:8000" } }],
    [
      "a reserved name",
      { demo: true, compatible: [{ name: "openai", baseURL: "http://localhost" }] },
    ],
    [
      "a name twice",
      {
        demo: true,
        compatible: [
          { name: "a", baseURL: "http://localhost" },
          { name: "a", baseURL: "http://localhost" },
        ],
      },
    ],
    [
      "a name with a slash",
      { demo: true, compatible: [{ name: "a/b", baseURL: "http://localhost" }] },
    ],
    ["a key with a line break", { demo: true, openai: { apiKey: "secret-key\n" } }],
    [
      "a header that is none",
      {
        demo: true,
        compatible: [{ name: "a", baseURL: "http://localhost", headers: { "x y": "secret-key" } }],
      },
    ],
  ])("refuses %s, and says so without the secret", (_, config) => {
    const error = (() => {
      try {
        return create(config);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(ModelsConfigInvalid);
    expect(String(error)).not.toContain("secret-key");
  });

  it("fails a call of an unknown provider as a mistake of the configuration", async () => {
    const call = create({ demo: true }).stream(
      {
        model: "openai/gpt-5",
        reasoning_effort: null,
        system_prompt: null,
        messages: [],
        tools: [],
        used_call_ids: new Set(),
        signal: new AbortController().signal,
      },
      () => {},
    );
    await expect(call).rejects.toMatchObject({ kind: "config", retryable: false });
  });
});
