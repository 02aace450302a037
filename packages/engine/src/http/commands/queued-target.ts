import type { ChatQueueAnswer } from "@parley/protocol";
import { chatOf, queuedOf } from "../../domain/representation.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { readQueue } from "../../store/queue.ts";
import type { Answer } from "./once.ts";

export interface QueuedTarget {
  readonly chatId: string;
  readonly queuedId: number;
}

/** The chat and its queue, as a bundle leaves them. */
export async function chatAndQueue(bundle: Bundle): Promise<Answer<ChatQueueAnswer>> {
  await bundle.refresh();
  const queue = await readQueue(bundle.tx, bundle.chatId);
  return { status: 200, body: { chat: chatOf(bundle.chat), queue: queue.map(queuedOf) } };
}
