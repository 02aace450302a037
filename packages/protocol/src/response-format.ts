import { z } from "zod";
import { jsonObjectSchema } from "./json.ts";

/**
 * What a message asks the reply to be: JSON that its schema (JSON Schema, draft 2020-12) accepts. The reply that ends the
 * turn has a part of the type `structured-output` then.
 *
 * `name` and `description` are told to the model. `strict` asks providers that can to hold the model to the schema while
 * it writes; they refuse schemas that they cannot be strict about.
 */
export const responseFormatSchema = z.strictObject({
  type: z.literal("json_schema"),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,64}$/, "letters, digits, _ and -, at most 64")
    .optional(),
  description: z.string().min(1).max(1000).optional(),
  schema: jsonObjectSchema,
  strict: z.boolean().optional(),
});

export type ResponseFormat = z.infer<typeof responseFormatSchema>;
