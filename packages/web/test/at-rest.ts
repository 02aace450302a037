import type { Client } from "@parley/client";

/** Waits until nothing works on the chat any more: it is answered, has failed, or waits for a person. */
export async function atRest(client: Client, chatId: string): Promise<void> {
  for await (const event of client.subscribe(chatId)) {
    if (event.type === "status" && /waiting|error|requires_action/.test(event.data.status)) return;
  }
}
