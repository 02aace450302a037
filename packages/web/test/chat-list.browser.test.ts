import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { useRig } from "./rig.ts";

const rig = useRig();
const fast = { model: "demo/fast" };
const chats = (page: Page) => page.getByRole("navigation", { name: "Chats" });
const item = (page: Page, title: string) => chats(page).getByRole("link", { name: title });

/** Opens the menu of a chat and takes what is named. */
async function choose(page: Page, title: string, action: string): Promise<void> {
  await item(page, title).hover();
  await page.getByRole("button", { name: `Actions for ${title}` }).click();
  await page.getByRole("menuitem", { name: action }).click();
}

test("what happens elsewhere is there at once, in every tab", async () => {
  const first = await rig.page();
  const second = await rig.page({ beside: first });
  const { chat } = await rig.client.createChat({ ...fast, content: "x", title: "From elsewhere" });
  await item(first, "From elsewhere").waitFor();
  await item(second, "From elsewhere").waitFor();

  await choose(first, "From elsewhere", "Rename");
  await first.getByLabel("Title of the chat").fill("A better name");
  await first.keyboard.press("Enter");
  await item(second, "A better name").waitFor();
  await item(first, "A better name").waitFor();

  await rig.client.deleteChat(chat.id);
  await item(first, "A better name").waitFor({ state: "detached" });
  await item(second, "A better name").waitFor({ state: "detached" });
});

test("a chat shows how it stands, and that something new was said", async () => {
  const page = await rig.page();
  await rig.client.createChat({ content: "slow: about patience", title: "Slowly" });
  await chats(page).locator("[data-status=running]").waitFor();
  await rig.client.createChat({ ...fast, content: "call send_email", title: "Asks" });
  await chats(page).locator("[data-status=requires_action]").waitFor();
  await rig.client.createChat({ ...fast, content: "fail 401", title: "Broken" });
  await chats(page).locator("[data-status=error]").waitFor();

  await rig.client.createChat({ ...fast, content: "x", title: "Something new" });
  const unread = item(page, "Something new unread");
  await unread.waitFor();
  await unread.click();
  await page.waitForURL(/\/chats\//);
  await chats(page).getByRole("link", { name: "Something new", exact: true }).waitFor();
  await page.reload();
  await chats(page).getByRole("link", { name: "Something new", exact: true }).waitFor();
});

test("pins come first, the archive is out of the way and can be undone, deleting asks", async () => {
  for (const title of ["Alpha", "Beta", "Gamma"]) {
    // oxlint-disable-next-line no-await-in-loop
    await rig.client.createChat({ ...fast, content: "x", title });
  }
  const page = await rig.page();
  await item(page, "Gamma").waitFor();
  await choose(page, "Alpha", "Pin");
  await chats(page).getByRole("heading", { name: "Pinned" }).waitFor();
  const first = chats(page).getByRole("link").first();
  expect(await first.innerText()).toContain("Alpha");

  await choose(page, "Beta", "Archive");
  await item(page, "Beta").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await item(page, "Beta").waitFor();
  await choose(page, "Beta", "Archive");
  await item(page, "Beta").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Filter the chats" }).click();
  await page.getByRole("menuitemradio", { name: "Archived" }).click();
  await item(page, "Beta").waitFor();
  expect(await item(page, "Gamma").count()).toBe(0);
  await page.getByRole("button", { name: "Filter the chats" }).click();
  await page.getByRole("menuitemradio", { name: "All chats" }).click();

  await choose(page, "Gamma", "Delete");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Keep it" }).click();
  await choose(page, "Gamma", "Delete");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await item(page, "Gamma").waitFor({ state: "detached" });
});

test("is searched by what was said, and filtered by labels", async () => {
  await rig.client.createChat({ ...fast, content: "about the xylophone", title: "Music" });
  await rig.client.createChat({ ...fast, content: "x", title: "Rhythm" });
  const page = await rig.page();
  await item(page, "Rhythm").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("xylophone");
  await item(page, "Music").waitFor();
  await item(page, "Rhythm").waitFor({ state: "detached" });
  await page.getByRole("searchbox").fill("no such word");
  await page.getByText("No chat has the words “no such word”.").waitFor();
  await page.getByRole("button", { name: "Show all chats" }).click();
  await item(page, "Rhythm").waitFor();

  await choose(page, "Rhythm", "Labels");
  await page.getByLabel("Labels, with commas").fill("band, team: brass");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Filter the chats" }).click();
  await page.getByRole("menuitemradio", { name: "team:brass" }).click();
  await item(page, "Music").waitFor({ state: "detached" });
  await item(page, "Rhythm").waitFor();
});

test("keeps a long list out of the document, and brings older chats when they are scrolled to", async () => {
  const count = 120;
  await Promise.all(
    Array.from({ length: count }, (_, at) =>
      rig.client.createChat({ model: "demo/echo", content: "x", title: `Many ${at}` }),
    ),
  );
  const page = await rig.page();
  // From the very first tests, and pinned: it is there before anybody scrolls to its age.
  await item(page, "Alpha").waitFor();
  expect(await chats(page).getByRole("link").count()).toBeLessThan(60);
  const oldest = item(page, "Rhythm");
  await chats(page).hover();
  for (let tries = 0; tries < 100 && (await oldest.count()) === 0; tries++) {
    /* oxlint-disable no-await-in-loop */
    await page.mouse.wheel(0, 3_000);
    await page.waitForFunction("new Promise(requestAnimationFrame).then(() => true)");
    /* oxlint-enable no-await-in-loop */
  }
  await oldest.waitFor();
  expect(await chats(page).getByRole("link").count()).toBeLessThan(60);
});
