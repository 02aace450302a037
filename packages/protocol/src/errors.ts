import { z } from "zod";
import { jsonSchema } from "./json.ts";
import { errorStatuses, type ErrorCode } from "./error-codes.ts";

/** RFC 9457 problem details, `application/problem+json`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(errorStatuses) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string(),
  details: z.record(z.string(), jsonSchema).optional(),
  request_id: z.string().optional(),
});

export type Problem = z.infer<typeof problemSchema>;
