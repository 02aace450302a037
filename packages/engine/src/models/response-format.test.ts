import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import type { JsonObject, ResponseFormat } from "@parley/protocol";
import { expect, test } from "vitest";
import type { Flavour } from "./prompt.ts";
import { withResponseFormat } from "./response-format.ts";

const open: JsonObject = { type: "object", properties: { n: { type: "integer" } } };
const closed: JsonObject = { ...open, additionalProperties: false };
const tool = { type: "function", name: "look", inputSchema: {} } as const;
const call: LanguageModelV4CallOptions = {
  prompt: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "how many?" }] },
  ],
  providerOptions: { openai: { store: false }, anthropic: { effort: "low" } },
};

function asked(
  flavour: Flavour,
  model: string,
  format: Partial<ResponseFormat> = {},
  over: Partial<LanguageModelV4CallOptions> = {},
): LanguageModelV4CallOptions {
  const whole: ResponseFormat = { type: "json_schema", schema: closed, ...format };
  return withResponseFormat({ ...call, ...over }, whole, flavour, model);
}

const inWords = ({ prompt, responseFormat }: LanguageModelV4CallOptions): boolean => {
  const said = JSON.stringify(prompt).includes("<json_schema>");
  expect(said).toBe(responseFormat === undefined);
  return said;
};

test.each<[boolean, Flavour, string, Partial<ResponseFormat>, boolean]>([
  [false, "openai-responses", "gpt-5", {}, true],
  [false, "openai-chat", "gpt-4o", { schema: open }, true],
  [true, "openai-compatible", "llama", {}, false],
  [false, "anthropic", "claude-sonnet-4-5", {}, true],
  [false, "anthropic", "claude-opus-4-1-20250805", {}, false],
  // What it leaves open the provider would close.
  [true, "anthropic", "claude-sonnet-4-5", { schema: open }, false],
  [false, "anthropic", "claude-sonnet-4-5", { schema: open, strict: true }, false],
  [true, "anthropic", "claude-sonnet-4-20250514", {}, false],
  [true, "anthropic", "claude-3-5-haiku", { strict: true }, false],
  [false, "google", "gemini-2.5-pro", {}, false],
  // Older ones take a schema or functions, not both.
  [true, "google", "gemini-2.5-pro", {}, true],
  [false, "google", "gemini-3-pro", {}, true],
  [true, "google", "gemma-3", {}, false],
])("in words: %s for %s %s %j, with tools: %s", (words, flavour, model, format, hasTools) => {
  const options = asked(flavour, model, format, hasTools ? { tools: [tool] } : {});
  expect(inWords(options)).toBe(words);
});

test("words go behind the system prompt, and make one where there is none", () => {
  const [system] = asked("openai-compatible", "llama", {
    name: "n",
    description: "a count",
  }).prompt;
  expect(system).toMatchObject({
    role: "system",
    content: expect.stringMatching(/^Be brief\.\n\n/),
  });
  expect(JSON.stringify(system)).toContain("n: a count");
  const prompt = call.prompt.slice(1);
  const [made, user] = asked("openai-compatible", "llama", {}, { prompt }).prompt;
  expect([made?.role, user?.role]).toEqual(["system", "user"]);
});

test("being strict is told, and what else is set stays", () => {
  expect(asked("openai-responses", "gpt-5").providerOptions).toMatchObject({
    openai: { store: false, strictJsonSchema: false },
  });
  expect(asked("openai-chat", "gpt-5", { strict: true }).providerOptions).toMatchObject({
    openai: { strictJsonSchema: true },
  });
  expect(asked("anthropic", "claude-sonnet-4-5").providerOptions).toMatchObject({
    anthropic: { effort: "low", structuredOutputMode: "outputFormat" },
  });
  expect(withResponseFormat(call, null, "google", "gemini-3-pro")).toBe(call);
});
