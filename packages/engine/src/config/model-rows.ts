import { fallbackModelsSchema, modelSettingsSchema, reasoningEffortSchema } from "@parley/protocol";
import { z } from "zod";
import type { ModelRow } from "../domain/model-row.ts";
import { place, readJsonList } from "./json-list.ts";

const tokens = z.int().min(1).max(1_000_000_000);

const rowSchema = z
  .strictObject({
    model: z
      .string()
      .regex(/^[^/\s*]+\/[^\s*]*\*?$/, "must be provider/model, with * at its end for several")
      .max(200),
    context_window_tokens: tokens.optional(),
    max_output_tokens: tokens.optional(),
    efforts: z.array(reasoningEffortSchema).optional(),
    default_effort: reasoningEffortSchema.optional(),
    max_effort: reasoningEffortSchema.optional(),
    images: z.boolean().optional(),
    files: z.boolean().optional(),
    tools: z.boolean().optional(),
    reasoning: z.boolean().optional(),
    settings: modelSettingsSchema.optional(),
    fallback_models: fallbackModelsSchema.optional(),
  })
  .refine(
    ({ efforts, default_effort }) =>
      efforts === undefined || default_effort === undefined || efforts.includes(default_effort),
    { message: "default_effort is none of the efforts", path: ["default_effort"] },
  );

/** `text` is the JSON itself or the path of a file with it. */
export function parseModelRows(
  text: string,
  readFile: (path: string) => string,
): { rows: ModelRow[]; problems: string[] } {
  const read = readJsonList(text, readFile);
  if ("problem" in read) return { rows: [], problems: [read.problem] };
  const parsed = z.array(rowSchema).safeParse(read.json);
  if (parsed.success) return { rows: parsed.data, problems: [] };
  const problems = parsed.error.issues.map(({ path, message }) => `${place(path)}${message}`);
  return { rows: [], problems };
}
