import { z } from "zod";

/** Signs a browser in: the token goes into a cookie that its scripts cannot read. */
export const createSessionSchema = z.strictObject({ token: z.string().min(1).max(512) });

/** Who asks, and whom. */
export const sessionAnswerSchema = z.object({
  principal: z.object({ id: z.uuid(), name: z.string(), is_admin: z.boolean() }),
  server: z.object({ version: z.string() }),
});

export type CreateSession = z.infer<typeof createSessionSchema>;
export type SessionAnswer = z.infer<typeof sessionAnswerSchema>;
