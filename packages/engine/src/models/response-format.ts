import type { LanguageModelV4CallOptions, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Json, JsonObject, ResponseFormat } from "@parley/protocol";
import type { Flavour } from "./prompt.ts";

type Options = LanguageModelV4CallOptions;

/**
 * The call with what its reply shall be: told to the provider where it can hold the model to a schema next to everything
 * else that the call asks of it, else to the model, in words. Either way the reply is checked when it is there.
 */
export function withResponseFormat(
  options: Options,
  format: ResponseFormat | null,
  flavour: Flavour,
  model: string,
): Options {
  if (format === null) return options;
  if (!isNative(format, flavour, model, (options.tools ?? []).length > 0)) {
    return { ...options, prompt: instructed(options.prompt, format) };
  }
  const { name, description, schema } = format;
  const own = ownOptions(format, flavour);
  const [key, more] = own ?? [];
  return {
    ...options,
    responseFormat: {
      type: "json",
      schema,
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
    },
    ...(key === undefined
      ? {}
      : {
          providerOptions: {
            ...options.providerOptions,
            [key]: { ...options.providerOptions?.[key], ...more },
          },
        }),
  };
}

/**
 * The packages would otherwise have some models answer through a call of a made-up tool that they are forced to make: that
 * goes badly with reasoning and with tools of ours, so those are asked in words.
 */
function isNative(
  { schema, strict }: ResponseFormat,
  flavour: Flavour,
  model: string,
  hasTools: boolean,
): boolean {
  switch (flavour) {
    case "openai-responses":
    case "openai-chat":
      return true;
    case "anthropic":
      // It closes every object: what a schema leaves open would be lost.
      return modernClaude.test(model) && (strict === true || isClosed(schema));
    case "google":
      return modernGemini.test(model) || (/^gemini-[12]/.test(model) && !hasTools);
    case "openai-compatible":
      // Servers differ in what they take and in what they make of it.
      return false;
  }
}

/** Those that have structured outputs: Opus from 4.1, the others from 4.5. */
const modernClaude =
  /claude-(?:opus-4-[1-9](?!\d)|(?:sonnet|haiku)-4-[5-9](?!\d)|(?:opus|sonnet|haiku|mythos|fable)-[5-9](?!\d))/;
/** Function calls and a schema in one request. */
const modernGemini = /^gemini-[3-9]/;

function ownOptions(
  { strict = false }: ResponseFormat,
  flavour: Flavour,
): [string, JsonObject] | null {
  switch (flavour) {
    case "openai-responses":
    case "openai-chat":
      return ["openai", { strictJsonSchema: strict }];
    case "anthropic":
      return ["anthropic", { structuredOutputMode: "outputFormat" }];
    default:
      return null;
  }
}

/** No object in it takes properties that are not named, and nothing in it is said by reference. */
function isClosed(schema: Json): boolean {
  if (Array.isArray(schema)) return schema.every(isClosed);
  if (typeof schema !== "object" || schema === null) return true;
  const isObject = schema["type"] === "object" || schema["properties"] !== undefined;
  if (typeof schema["$ref"] === "string") return false;
  if (isObject && schema["additionalProperties"] !== false) return false;
  return Object.values(schema).every(isClosed);
}

function instructed(prompt: LanguageModelV4Prompt, format: ResponseFormat): LanguageModelV4Prompt {
  const text = instruction(format);
  const [first, ...rest] = prompt;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...prompt];
  return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest];
}

function instruction({ name, description, schema }: ResponseFormat): string {
  const what = [name, description].filter((text) => text !== undefined).join(": ");
  return [
    "When you have everything that you need, answer with one JSON value that the JSON Schema below accepts.",
    ...(what === "" ? [] : [`It stands for ${what}.`]),
    "Your answer consists of that JSON alone: no words before or after it, and no code fence.",
    "<json_schema>",
    JSON.stringify(schema),
    "</json_schema>",
  ].join("\n");
}
