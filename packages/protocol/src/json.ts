import { z } from "zod";

/** Any JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const jsonSchema: z.ZodType<Json> = z.json();

export const jsonObjectSchema = z.record(z.string(), jsonSchema);

export type JsonObject = z.infer<typeof jsonObjectSchema>;
