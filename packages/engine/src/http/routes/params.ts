import { z } from "zod";

/**
 * Ids in addresses are taken as text: what is no id at all is answered like an id that is unknown, so that the
 * difference tells nothing.
 */
export const chatParams = z.object({ chat_id: z.string() });
export const messageParams = z.object({ chat_id: z.string(), message_id: z.string() });
export const queuedParams = z.object({ chat_id: z.string(), queued_id: z.string() });
export const tokenParams = z.object({ token_id: z.string() });
export const ownerParams = z.object({ owner_id: z.string() });
export const replicaParams = z.object({ replica_id: z.string() });
export const fileParams = z.object({ file_id: z.string() });

/** No row has it: ids count from 1. */
const noId = 0;

/** The number of a message or queue row. */
export function rowId(text: string): number {
  const id = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : noId;
  return Number.isSafeInteger(id) ? id : noId;
}
