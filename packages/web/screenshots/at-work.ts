import type { Client } from "@parley/client";
import type { CreateChat } from "@parley/protocol";
import type { Page } from "playwright-core";
import { Conversation } from "../test/conversation.ts";
import type { Site } from "../test/site.ts";
import { phone, type Picture } from "./picture.ts";

/** Begins a chat over the API and opens it. */
async function open(page: Page, site: Site, body: CreateChat): Promise<Conversation> {
  const { chat } = await site.client.createChat(body);
  return await openChat(page, site, chat.id);
}

async function openChat(page: Page, site: Site, id: string): Promise<Conversation> {
  await page.goto(`${site.server.url}/chats/${id}`);
  return new Conversation(page);
}

/** A chat whose turn is over. */
async function answered(client: Client, body: CreateChat): Promise<string> {
  const { chat } = await client.createChat({ model: "demo/fast", ...body });
  const done = client.subscribe(chat.id);
  for await (const { type, data } of done) {
    if (type === "status" && data.status !== "running") break;
  }
  return chat.id;
}

const title = (text: string) => ({ title: text });

/** The application while something happens. */
export const atWork: readonly Picture[] = [
  {
    name: "streaming",
    prepare: async (page, site) => {
      const chat = await open(page, site, { content: "long", ...title("How Parley works") });
      await chat.sees("Section 2");
    },
  },
  {
    name: "queue",
    prepare: async (page, site) => {
      const content = 'Roll the dice: call roll_dice {"count": 3}, then call wait {"seconds": 60}';
      const chat = await open(page, site, { content, ...title("A game of dice") });
      await chat.sees(/waited [3-9]/);
      for (const text of ["Now explain the odds", "And roll five of them"]) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, as a person does
        await chat.say(text);
      }
      await chat.queue.getByText("And roll five of them", { exact: true }).waitFor();
      await chat.queue.getByRole("button", { name: "Say it into this turn" }).first().click();
      await chat.queue.getByText("Into this turn").waitFor();
    },
  },
  {
    name: "client-tool",
    prepare: async (page, site) => {
      const chat = await open(page, site, {
        content: 'call current_location {"precise": true}',
        ...title("Where am I?"),
        client_tools: [
          { name: "current_location", input_schema: { type: "object" }, deadline_seconds: 600 },
        ],
      });
      await chat.page.getByRole("region", { name: "Result of current_location" }).waitFor();
    },
  },
  {
    name: "retrying",
    prepare: async (page, site) => {
      const chat = await open(page, site, { content: "fail 529", ...title("A busy provider") });
      await chat.sees(/\(attempt [3-9] failed\)/);
    },
  },
  {
    name: "stopped",
    prepare: async (page, site) => {
      const chat = await open(page, site, { content: "long", ...title("Enough of it") });
      await chat.sees("Section 1");
      await chat.stop();
      await chat.sees("Stopped. What was said is kept.");
    },
  },
  {
    name: "earlier-version",
    prepare: async (page, site) => {
      const id = await answered(site.client, {
        content: "Plan a trip to Lisbon",
        ...title("A trip"),
      });
      const { messages } = await site.client.listMessages(id);
      const [first] = messages;
      if (first === undefined) throw new Error("there is no message");
      await site.client.editMessage(id, first.id, { content: "Plan a trip to Porto" });
      const chat = await openChat(page, site, id);
      await chat.settled();
      await chat.log.getByRole("button", { name: "Edited" }).click();
      await page.getByRole("dialog").getByText("Plan a trip to Lisbon").first().waitFor();
    },
  },
  {
    name: "tool-opened-dark",
    page: { theme: "dark" },
    prepare: async (page, site) => {
      const id = await answered(site.client, {
        content: 'think, then call roll_dice {"count": 4} and call clock',
        ...title("What tools said"),
      });
      const chat = await openChat(page, site, id);
      await chat.settled();
      await chat.log.getByText("Thoughts").first().click();
      await chat.log.getByRole("button", { name: /roll dice/ }).click();
      await chat.log.evaluate((element) => (element.scrollTop = 0));
    },
  },
  {
    name: "summarised",
    prepare: async (page, site) => {
      const id = await answered(site.client, {
        content: "What is a lease?",
        ...title("Leases and fences"),
      });
      await site.client.compact(id);
      const chat = await openChat(page, site, id);
      await chat.log.getByRole("button", { name: /^Summarised for the model/ }).click();
    },
  },
  {
    name: "sub-agents",
    prepare: async (page, site) => {
      const content =
        'call spawn_agent {"prompt": "long", "title": "Read the code"} call spawn_agent {"prompt": "slow", "title": "Read the docs"}';
      const chat = await open(page, site, { content, ...title("A question for two") });
      await chat.settled();
      await chat.log.evaluate((element) => (element.scrollTop = 0));
    },
  },
  {
    name: "chat-phone",
    page: { size: phone },
    prepare: async (page, site) => {
      const chat = await open(page, site, { content: "help", ...title("What can you do?") });
      await chat.settled();
    },
  },
];
