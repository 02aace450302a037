import { createClient, type Client } from "@parley/client";
import type { Page } from "playwright-core";
import type { ServerProcess } from "../../engine/test/server-process.ts";
import { atRest } from "../test/at-rest.ts";
import type { Site } from "../test/site.ts";
import { phone, type Picture } from "./picture.ts";

/** Enough for lines that have something to tell: a point comes every five seconds. */
const minutesOfWork = 1.5;
const pauseMs = 1_500;
const longChats = 5;

let working: Promise<void> | undefined;

function turn<T>(list: readonly T[], i: number): T {
  const one = list[i % list.length];
  if (one === undefined) throw new Error("the list is empty");
  return one;
}

/** People at work, for a while: most are answered, some fail, some take long. */
async function work(clients: readonly Client[]): Promise<void> {
  const at = (i: number): Client => turn(clients, i);
  const long = () =>
    Promise.all(
      Array.from({ length: longChats }, (_, i) =>
        at(i).createChat({ content: "long", title: turn(titles, i) }),
      ),
    );
  const until = performance.now() + minutesOfWork * 60_000;
  await long();
  for (let i = 0; performance.now() < until; i++) {
    const content = i % 9 === 4 ? "fail 401" : "What is the weather in Porto?";
    const all = Array.from({ length: 1 + (i % 4) }, () =>
      at(i).createChat({ model: "demo/fast", content, title: turn(titles, i) }),
    );
    /* oxlint-disable no-await-in-loop */
    for (const { chat } of await Promise.all(all)) await atRest(at(0), chat.id);
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (i % 5)));
    /* oxlint-enable no-await-in-loop */
  }
  await long();
}

async function atWork(page: Page, site: Site, other: ServerProcess): Promise<void> {
  const there = createClient({ baseUrl: other.url, token: other.token });
  await (working ??= work([site.client, there, site.client]));
  await page.reload();
  await page.locator(".u-wrap").first().waitFor();
}

const titles = ["Weather in Porto", "Trains to Braga", "A letter of thanks", "Rust or Go?"];

const page = { path: "/operator", size: { width: 1440, height: 1480 } };

export const operatorPictures: readonly Picture[] = [
  { name: "operator", page, prepare: atWork },
  { name: "operator-dark", page: { ...page, theme: "dark" }, prepare: atWork },
  {
    name: "operator-chat",
    page: { path: "/operator" },
    prepare: async (here, site, other) => {
      await atWork(here, site, other);
      await here
        .getByRole("button", { name: /^Chat .*working/ })
        .first()
        .click();
      await here.getByRole("dialog").getByText("A step is in flight.").waitFor();
    },
  },
  { name: "operator-phone", page: { path: "/operator", size: phone }, prepare: atWork },
];
