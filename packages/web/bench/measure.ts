/**
 * What a chat costs a browser: `npm run bench:browser`. A real server, a real Chromium, and a model that says as much as it is
 * asked for. Prints the table of docs/performance.md, "In the browser".
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { storesOf, type ChatState, type Client } from "@parley/client";
import type { Browser, Page } from "playwright-core";
import { build, preview } from "vite";
import { chromium } from "../../../test/services.ts";
import {
  providerEnv,
  temporaryFolder,
  type ServerProcess,
} from "../../engine/test/server-process.ts";
import { launchChromium } from "../test/chromium.ts";
import { Site } from "../test/site.ts";
import { asMessage, lastWordOf, pacedModel, startPacedModel, type Pace } from "./paced-model.ts";
import { PageCost } from "./page-cost.ts";

/** A reply of some pages, as fast as models are. */
const partsCount = 1_000;
const partsPerSecond = 200;

/** What is on the page before it. */
const turnsBefore = 50;

/** How long a page is kept open, and the parts of each reply. */
const turnsKept = 1_000;
const partsPerTurn = 10;
/** So many of them wait at a time. */
const turnsQueued = 15;

const heading = `| each of ${partsCount} parts, ${partsPerSecond} a second, below ${turnsBefore} turns | script | layout | main thread | drawings | changes in finished messages | heap before | heap ${turnsKept} turns later |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`;

/** A page that shows one chat, and how its finished messages are found. */
interface Subject {
  name: string;
  messages: string;
  open(chatId: string): Promise<Page>;
  /** Scrolls to the newest message, where the page does not stay there by itself. */
  toEnd(page: Page): Promise<void>;
}

interface Figures {
  scriptMs: number;
  layoutMs: number;
  taskMs: number;
  drawings: number;
  redrawn: number;
  heapBefore: number;
  heapAfter: number;
}

const program = chromium();
if (program === undefined) throw new Error("there is no Chromium here");
const model = await startPacedModel();
const site = await Site.start(program, { env: providerEnv(model) });
const browser = await launchChromium(program);
const folder = await temporaryFolder();
const { client } = site;
try {
  const server = await serveExample(site.server, join(folder.path, "dist"));
  try {
    const subjects: Subject[] = [
      {
        name: "`examples/react-chat`",
        messages: "form p",
        open: (chatId) => openExample(browser, server.url, chatId),
        toEnd: async () => {},
      },
      {
        name: "the web application",
        messages: "[data-message]",
        open: (chatId) => site.page({ path: `/chats/${chatId}` }),
        toEnd: async (page) => {
          const button = page.getByRole("button", { name: "To the end" });
          if (await button.isVisible()) await button.click();
        },
      },
    ];
    process.stdout.write(`${heading}\n`);
    for (const subject of subjects) {
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      process.stdout.write(`${row(subject.name, await measure(client, subject))}\n`);
    }
  } finally {
    await server.close();
  }
} finally {
  storesOf(client).close();
  await browser.close();
  await site.closePages();
  await site.stop();
  await model.close();
  await folder.remove();
}

async function measure(api: Client, subject: Subject): Promise<Figures> {
  const first: Pace = { turn: 1, parts: 60, perSecond: 0 };
  const { chat } = await api.createChat({ content: asMessage(first), model: pacedModel });
  const store = storesOf(api).chat(chat.id);
  const leave = store.subscribe(() => {});
  let turn = 1;
  const say = async (pace: Omit<Pace, "turn">): Promise<void> => {
    turn += 1;
    await store.send({ content: asMessage({ turn, ...pace }) });
    await until(store, (state) => endsWith(state, lastWordOf({ turn })));
  };
  const shows = () => page.getByText(lastWordOf({ turn })).last().waitFor();
  await until(store, (state) => endsWith(state, lastWordOf(first)));
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other
  while (turn < turnsBefore) await say({ parts: 60, perSecond: 0 });
  const page = await subject.open(chat.id);
  await shows();
  const cost = await PageCost.of(page);
  const heapBefore = await cost.heapBytes();
  await cost.countDrawings(subject.messages);
  const before = await cost.now();
  await say({ parts: partsCount, perSecond: partsPerSecond });
  await shows();
  const after = await cost.now();
  const drawings = await cost.drawings();
  const kept = turn + turnsKept;
  while (turn < kept) {
    // Queued: one follows the other without waiting for anybody here.
    const batch = Array.from({ length: Math.min(turnsQueued, kept - turn) }, () => {
      turn += 1;
      const pace = { turn, parts: partsPerTurn, perSecond: 0 };
      return store.send({ content: asMessage(pace), when_busy: "queue" });
    });
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other
    await Promise.all(batch);
    // oxlint-disable-next-line no-await-in-loop
    await until(store, (state) => isAtRest(state) && state.transcript.queue.length === 0);
    process.stderr.write(`${subject.name}: ${turn} turns\n`);
  }
  await say({ parts: partsPerTurn, perSecond: 0 });
  await subject.toEnd(page);
  await shows();
  const heapAfter = await cost.heapBytes();
  leave();
  await page.close();
  return {
    scriptMs: (after.scriptMs - before.scriptMs) / partsCount,
    layoutMs: (after.layoutMs - before.layoutMs) / partsCount,
    taskMs: (after.taskMs - before.taskMs) / partsCount,
    drawings: drawings.all / partsCount,
    redrawn: drawings.insideOld / partsCount,
    heapBefore,
    heapAfter,
  };
}

async function until(
  store: { getState(): ChatState; subscribe(listener: () => void): () => void },
  holds: (state: ChatState) => boolean,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!holds(store.getState())) return;
      resolve();
      queueMicrotask(() => leave());
    };
    const leave = store.subscribe(look);
    look();
  });
}

function endsWith(state: ChatState, word: string): boolean {
  const last = state.transcript.messages.at(-1)?.parts.at(-1);
  return isAtRest(state) && last?.type === "text" && last.text.endsWith(word);
}

function isAtRest({ transcript, pending }: ChatState): boolean {
  return transcript.status?.status === "waiting" && pending.length === 0;
}

/** The example as it would be deployed, behind a server that adds the token. */
async function serveExample({ url, token }: ServerProcess, outDir: string) {
  const root = fileURLToPath(new URL("../../../examples/react-chat", import.meta.url));
  Object.assign(process.env, { PARLEY_URL: url, PARLEY_TOKEN: token });
  const options = { root, logLevel: "silent", build: { outDir, emptyOutDir: true } } as const;
  await build(options);
  const server = await preview({ ...options, preview: { host: "127.0.0.1" } });
  const address = server.resolvedUrls?.local[0];
  if (address === undefined) throw new Error("the example is not served");
  return { url: address, close: () => server.close() };
}

async function openExample(own: Browser, url: string, chatId: string): Promise<Page> {
  const page = await own.newPage();
  await page.goto(`${url}#${chatId}`);
  return page;
}

function row(name: string, f: Figures): string {
  const perPart = [f.scriptMs, f.layoutMs, f.taskMs].map((ms) => `${ms.toFixed(2)} ms`);
  const heap = [f.heapBefore, f.heapAfter].map((bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MB`);
  const cells = [name, ...perPart, f.drawings.toFixed(2), f.redrawn.toFixed(3), ...heap];
  return `| ${cells.join(" | ")} |`;
}
