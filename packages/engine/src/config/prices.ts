import { z } from "zod";
import type { OwnPrices } from "../domain/price.ts";
import { place } from "./json-list.ts";

const rate = z.number().min(0).max(1_000_000);

const ratesSchema = z.strictObject({
  input: rate,
  output: rate,
  cached_input: rate.optional(),
  cache_write_input: rate.optional(),
  reasoning: rate.optional(),
});

const priceSchema = ratesSchema.extend({
  long_context: ratesSchema.extend({ input_tokens: z.int().min(0) }).optional(),
});

const pricesSchema = z.record(z.string(), priceSchema.nullable()).superRefine((prices, found) => {
  for (const name of Object.keys(prices)) {
    if (/^[^/\s]+\/\S+$/.test(name)) continue;
    found.addIssue({
      code: "custom",
      path: [name],
      message: "must be provider/model or provider/*",
    });
  }
});

/** `text` is the JSON itself or the path of a file with it. */
export function parsePrices(
  text: string,
  readFile: (path: string) => string,
): { prices: OwnPrices; problems: string[] } {
  const inline = /^\s*\{/.test(text);
  let json: unknown;
  try {
    json = JSON.parse(inline ? text : readFile(text)) as unknown;
  } catch (error) {
    const isJson = error instanceof SyntaxError;
    const problem = isJson
      ? inline
        ? "is no valid JSON"
        : "the file holds no valid JSON"
      : "is neither a JSON object nor the path of a file that can be read";
    return { prices: {}, problems: [problem] };
  }
  const parsed = pricesSchema.safeParse(json);
  if (parsed.success) return { prices: parsed.data, problems: [] };
  const problems = parsed.error.issues.map(({ path, message }) => `${place(path)}${message}`);
  return { prices: {}, problems };
}
