/**
 * Takes the pictures of docs/screenshots: `npm run screenshots [NAME …]`. Each is of the real application with a real server
 * and the demo models.
 */
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "../../../test/services.ts";
import { setup } from "../test/browser-setup.ts";
import { startServerProcess } from "../../engine/test/server-process.ts";
import { startSharedDatabase } from "../test/database.ts";
import { Site } from "../test/site.ts";
import { pictures } from "./pictures.ts";
import { fillList } from "./sample-chats.ts";

const folder = fileURLToPath(new URL("../../../docs/screenshots", import.meta.url));

/** The largest thing that moves has come to rest. */
const settleMs = 400;

const { positionals } = parseArgs({ allowPositionals: true });
const wanted = pictures.filter(
  ({ name }) => positionals.length === 0 || positionals.some((one) => name.includes(one)),
);
const program = chromium();
if (program === undefined) throw new Error("there is no Chromium here");
await mkdir(folder, { recursive: true });
await setup();
const database = await startSharedDatabase();
const env = {
  PARLEY_DATABASE_URL: database.url,
  PARLEY_SUB_AGENTS: "all",
  PARLEY_CAPACITY: "12",
};
// For operators there are two.
const other = await startServerProcess({ env });
const site = await Site.start(program, { env });
try {
  await fillList(site.client);
  for (const { name, page: options, prepare } of wanted) {
    // oxlint-disable-next-line no-await-in-loop -- one page after the other
    await take(name, options, prepare);
  }
} finally {
  await site.stop();
  other.kill("SIGTERM");
  await other.exited;
  await database.stop();
}

async function take(
  name: string,
  options: (typeof pictures)[number]["page"],
  prepare: (typeof pictures)[number]["prepare"],
): Promise<void> {
  const page = await site.page({ scale: 2, ...options });
  await page.evaluate("document.fonts.ready");
  await prepare?.(page, site, other);
  await page.waitForTimeout(settleMs);
  await page.screenshot({ path: `${folder}/${name}.png` });
  const faults = await site.closePages();
  process.stdout.write(`${name}.png${faults.length === 0 ? "" : `  ${faults.join("; ")}`}\n`);
}
