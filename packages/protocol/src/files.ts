import { z } from "zod";
import { limits } from "./limits.ts";

/** An uploaded file. What it is was found out from its content; what the client called it decides nothing. */
export const fileSchema = z.object({
  id: z.uuid(),
  name: z.string().max(limits.fileNameCharsMax),
  media_type: z.string(),
  size_bytes: z.int().nonnegative(),
  /** Of the content, in hexadecimal. */
  sha256: z.string().length(64),
  created_at: z.iso.datetime(),
  /** When its bytes go. Null: with the last chat that refers to it. */
  expires_at: z.iso.datetime().nullable(),
});

export const fileAnswerSchema = z.object({ file: fileSchema });

/** For a body that is the file itself; a form says it with the file. */
export const uploadFileQuerySchema = z.strictObject({
  name: z.string().min(1).max(limits.fileNameCharsMax).optional(),
});

export const listFilesQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^[0-9]{1,3}$/, "a whole number")
    .transform(Number)
    .pipe(z.int().min(1).max(limits.pageFilesMax))
    .optional(),
  /** The id of a file: only older ones. */
  before: z.uuid().optional(),
});

export const listFilesAnswerSchema = z.object({
  files: z.array(fileSchema),
  has_more: z.boolean(),
  /** What the caller's files take together, those included that are just being uploaded. */
  bytes_used: z.int().nonnegative(),
  /** Null: they may take any amount. */
  bytes_max: z.int().nonnegative().nullable(),
});

/** What a signed link carries instead of a token: both or none. */
export const fileContentQuerySchema = z.strictObject({
  /** Seconds since 1970. */
  expires: z
    .string()
    .regex(/^[0-9]{1,12}$/)
    .optional(),
  signature: z.string().max(100).optional(),
});

export const fileLinkAnswerSchema = z.object({
  /** From the root of the server. Whoever has it may fetch the bytes, without a token, until it expires. */
  url: z.string(),
  expires_at: z.iso.datetime(),
});

export type StoredFile = z.infer<typeof fileSchema>;
export type ListFilesQuery = z.infer<typeof listFilesQuerySchema>;
export type ListFilesAnswer = z.infer<typeof listFilesAnswerSchema>;
export type FileAnswer = z.infer<typeof fileAnswerSchema>;
export type FileLinkAnswer = z.infer<typeof fileLinkAnswerSchema>;
