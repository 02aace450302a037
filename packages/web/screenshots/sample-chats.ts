import type { Client } from "@parley/client";
import type { CreateChat, PatchChat } from "@parley/protocol";
import { atRest } from "../test/at-rest.ts";

interface Sample {
  readonly body: CreateChat;
  readonly patch?: PatchChat;
}

const samples: readonly Sample[] = [
  { body: { title: "Names for the new café", content: "Names for a café by the river?" } },
  { body: { title: "Old notes", content: "Put these in order" }, patch: { archived: true } },
  { body: { title: "Tax questions for the accountant", content: "What should I ask?" } },
  { body: { title: "A week in Porto", content: "Plan a week in Porto", labels: { travel: "" } } },
  {
    body: {
      title: "SQL: the slow report",
      content: "Why is this query slow?",
      labels: { team: "data" },
    },
  },
  { body: { title: "Birthday speech", content: "A short speech for Ada" } },
  {
    body: {
      title: "Migration checklist",
      content: "What have I forgotten?",
      labels: { team: "platform" },
    },
    patch: { pinned: true },
  },
  {
    body: { title: "Interview questions, backend", content: "Ten questions" },
    patch: { pinned: true },
  },
  { body: { title: "The mail to the landlord", content: "call send_email" } },
  { body: { title: "Why the build was red", content: "fail 401" } },
  { body: { title: "Bread with less yeast", content: "Is half the yeast enough?" } },
];

/** Chats as a person may have them, each at rest. */
export async function fillList(client: Client): Promise<void> {
  for (const { body, patch } of samples) {
    // In this order: the list shows the newest first.
    /* oxlint-disable no-await-in-loop */
    const { chat } = await client.createChat({ model: "demo/fast", ...body });
    await atRest(client, chat.id);
    if (patch !== undefined) await client.patchChat(chat.id, patch);
    /* oxlint-enable no-await-in-loop */
  }
}
