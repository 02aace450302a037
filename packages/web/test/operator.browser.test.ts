import { randomUUID } from "node:crypto";
import { createClient, type Client } from "@parley/client";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashToken } from "../../engine/src/domain/token.ts";
import { startServerProcess, type ServerProcess } from "../../engine/test/server-process.ts";
import { startSharedDatabase, type SharedDatabase } from "./database.ts";
import { useRig } from "./rig.ts";

/** The operator's page of one server, which shows and drains another. */

let database: SharedDatabase;
let other: ServerProcess;
let there: Client;
let starting: Promise<SharedDatabase> | undefined;
const shared = async (): Promise<SharedDatabase> => {
  starting ??= startSharedDatabase();
  return (database = await starting);
};
const rig = useRig({ env: async () => ({ PARLEY_DATABASE_URL: (await shared()).url }) });
beforeAll(async () => {
  const { url } = await shared();
  other = await startServerProcess({
    env: { PARLEY_DATABASE_URL: url, PARLEY_CAPACITY: "7", PARLEY_DRAIN_GRACE_SECONDS: "1" },
  });
  there = createClient({ baseUrl: other.url, token: other.token });
});
afterAll(async () => {
  other?.kill("SIGKILL");
  await other?.exited;
  await database?.stop();
});

/** The card of the other server: it has the room that only that one has. */
const otherCard = (page: Page) => page.getByRole("article").filter({ hasText: "of 7" });

test("before anybody has begun a chat the page says so", async () => {
  const page = await rig.page({ path: "/operator" });
  await page.getByText("There are none yet.").waitFor();
  await otherCard(page).getByText("Nothing to do at the moment.").waitFor();
  expect(await page.getByRole("article").count()).toBe(2);
  expect(await page.getByText("answers this page").count()).toBe(1);
});

test("it is for administrators, and others do not find it", async () => {
  const [principal, token] = [randomUUID(), `parley_${"u".repeat(32)}`];
  await database.query(`insert into parley.principals (id, name) values ($1, 'somebody')`, [
    principal,
  ]);
  await database.query(
    `insert into parley.api_tokens (id, principal_id, name, token_hash) values ($1, $2, 'test', $3)`,
    [randomUUID(), principal, hashToken(token)],
  );
  const page = await rig.page({ signedIn: false });
  // Nobody is signed in when it opens.
  rig.allow(page, /401/);
  await page.goto(`${rig.server.url}/?token=${token}`);
  await page.getByRole("button", { name: /Menu$/ }).click();
  await page.getByRole("menuitem", { name: "Settings" }).waitFor();
  expect(await page.getByRole("menuitem", { name: "Operator" }).count()).toBe(0);
  await page.goto(`${rig.server.url}/operator`);
  await page.getByText("This page is for administrators.").waitFor();
});

test("a chat that another server runs is seen, opened to its lease, and moves when that one is drained", async () => {
  const { chat } = await there.createChat({ content: "long" });
  const page = await rig.page({ path: "/operator" });
  const card = otherCard(page);
  const chip = card.getByRole("button", { name: `Chat ${chat.id.slice(-8)}, working` });
  await chip.waitFor();
  await page.locator("[data-state=running]", { hasText: "1" }).waitFor();
  for (const name of ["Turns", "Live parts", "Database statements", "Failures by kind"]) {
    // oxlint-disable-next-line no-await-in-loop
    await page.getByRole("heading", { name }).waitFor();
  }
  // What the pictures show is said, too.
  await page.getByText(/^Live parts in the last five minutes: now /).waitFor();

  await chip.click();
  const lease = page.getByRole("dialog", { name: `Chat ${chat.id.slice(-8)}` });
  await lease.getByText("held").waitFor();
  await lease.getByText("A step is in flight.").waitFor();
  await lease.getByText(chat.id).waitFor();
  await rig.expectAccessible(page);
  await page.keyboard.press("Escape");

  await card.getByRole("button", { name: /^Drain/ }).click();
  const sure = page.getByRole("dialog", { name: /^Drain / });
  expect(await sure.getByText("No other server takes chats").count()).toBe(0);
  await rig.expectAccessible(page);
  await sure.getByRole("button", { name: "Drain it" }).click();
  await card.getByText("Drained").waitFor({ timeout: 60_000 });
  await card.getByText("It takes no chats any more, and can be stopped.").waitFor();
  expect(await card.getByRole("button", { name: /^Drain/ }).count()).toBe(0);
  const mine = page.getByRole("article").filter({ hasText: "answers this page" });
  await mine.getByRole("button", { name: `Chat ${chat.id.slice(-8)}` }).waitFor();
  // The last one that takes chats is not drained by mistake.
  await mine.getByRole("button", { name: /^Drain/ }).click();
  await page.getByText("No other server takes chats").waitFor();
  await page.getByRole("button", { name: "Keep it" }).click();
  // The drained one serves on.
  await there.interrupt(chat.id, { wait: true });
  expect((await there.getChat(chat.id)).status).toBe("waiting");
});

test("a chat is looked up by its id or its address, and one that is not there is said to be unknown", async () => {
  const { chat } = await there.createChat({ model: "demo/fast", content: "x" });
  const page = await rig.page({ path: "/operator" });
  rig.allow(page, /404/);
  const field = page.getByRole("textbox", { name: "A chat’s id or address" });
  await field.fill(`${rig.server.url}/chats/${chat.id}`);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByRole("dialog").getByText(chat.id).waitFor();
  await page.keyboard.press("Escape");
  await field.fill(randomUUID());
  await page.getByRole("button", { name: "Look up" }).click();
  await page
    .getByRole("dialog")
    .getByText(/no such chat|does not exist/i)
    .waitFor();
});

test.each(["light", "dark"] as const)("it is accessible in the %s theme", async (theme) => {
  const page = await rig.page({ theme, path: "/operator" });
  await page.locator(".u-wrap").first().waitFor();
  await rig.expectAccessible(page);
});

test("on a phone nothing is wider than the screen", async () => {
  const page = await rig.page({ path: "/operator", size: { width: 360, height: 740 } });
  await page.locator(".u-wrap").first().waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  expect(await page.evaluate("document.getElementById('main').scrollWidth")).toBe(360);
});
