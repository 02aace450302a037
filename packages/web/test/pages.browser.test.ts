import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { atRest } from "./at-rest.ts";
import { useRig } from "./rig.ts";

const rig = useRig();
const background = (page: Page) =>
  page.evaluate("getComputedStyle(document.body).backgroundColor") as Promise<string>;
const isDark = async (page: Page): Promise<boolean> =>
  (await page.evaluate(
    `(() => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = getComputedStyle(document.body).backgroundColor; c.fillRect(0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data[0] < 128; })()`,
  )) as boolean;

describe.each(["light", "dark"] as const)("in the %s theme", (theme) => {
  test("the welcome explains the demo, and lets everything be tried", async () => {
    const page = await rig.page({ theme });
    await page.getByRole("heading", { name: "You are talking to a demo model" }).waitFor();
    expect(await isDark(page)).toBe(theme === "dark");
    await rig.expectAccessible(page);
    await page.getByRole("button", { name: "Thinking first" }).click();
    await page.waitForURL(/\/chats\//);
    await page.getByText("what makes a good conversation?").first().waitFor();
  });

  test("settings and the shortcuts are accessible", async () => {
    const page = await rig.page({ theme, path: "/settings" });
    await page.getByText("PARLEY_TOKEN").waitFor();
    await rig.expectAccessible(page);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await rig.expectAccessible(page);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /Menu$/ }).click();
    await page.getByRole("menu").waitFor();
    await rig.expectAccessible(page);
  });
});

test("a chosen theme wins over the system's, is kept, and is there before the first paint", async () => {
  const page = await rig.page({ theme: "light", path: "/settings" });
  const before = await background(page);
  await page.getByRole("radio", { name: "Dark" }).click();
  expect(await isDark(page)).toBe(true);
  expect(await background(page)).not.toBe(before);
  await page.reload({ waitUntil: "commit" });
  await page.waitForFunction("document.documentElement.dataset.theme === 'dark'");
  const beside = await rig.page({ beside: page });
  expect(await isDark(beside)).toBe(true);
  await beside.goto(`${rig.server.url}/settings`);
  await beside.getByRole("radio", { name: "As the system" }).click();
  await page.waitForFunction("document.documentElement.dataset.theme === undefined");
  expect(await isDark(page)).toBe(false);
});

test("a token is made, its secret shown once, and taken back", async () => {
  const page = await rig.page({ path: "/settings" });
  await page.getByRole("button", { name: "New token" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Make it" }).click();
  await dialog.getByText("A token needs a name").waitFor();
  await dialog.getByLabel("Name").fill("The nightly report");
  await dialog.getByLabel("Good for").selectOption("30 days");
  await dialog.getByRole("button", { name: "Make it" }).click();
  const secret = await dialog.getByText(/^parley_/).innerText();
  const mine = await fetch(`${rig.server.url}/api/v1/session`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  expect(mine.status).toBe(200);
  await dialog.getByRole("button", { name: "I have it" }).click();
  await page.getByText("The nightly report", { exact: true }).waitFor();
  expect(await page.getByText(secret).count()).toBe(0);
  expect(await page.content()).not.toContain(secret);

  await page.getByRole("button", { name: "Revoke The nightly report" }).click();
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The nightly report", { exact: true }).waitFor({ state: "detached" });
  const gone = await fetch(`${rig.server.url}/api/v1/session`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  expect(gone.status).toBe(401);
});

test("keys reach everything: skip, search, new chat, chats up and down, the sidebar, the theme", async () => {
  for (const title of ["Lower", "Upper"]) {
    // oxlint-disable-next-line no-await-in-loop
    const { chat } = await rig.client.createChat({ model: "demo/fast", content: "x", title });
    // Before the next: the list is in the order of what was said last.
    // oxlint-disable-next-line no-await-in-loop
    await atRest(rig.client, chat.id);
  }
  const page = await rig.page({ path: "/settings" });
  const list = page.getByRole("navigation", { name: "Chats" });
  await list.getByRole("link", { name: "Lower" }).waitFor();
  // The page beside the list comes by itself: until then there is no content to skip to.
  await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement.id")).toBe("main");
  await page.keyboard.press("Alt+ArrowDown");
  await list.locator("[aria-current=page]", { hasText: "Upper" }).waitFor();
  await page.keyboard.press("Alt+ArrowDown");
  await list.locator("[aria-current=page]", { hasText: "Lower" }).waitFor();
  await page.keyboard.press("Control+b");
  await list.waitFor({ state: "detached" });
  await page.keyboard.press("Control+k");
  await page.getByRole("searchbox").waitFor();
  await page.waitForFunction("document.activeElement.getAttribute('role') === 'searchbox'");
  await page.keyboard.press("Control+Shift+o");
  await page.waitForURL(`${rig.server.url}/`);
  await page.keyboard.press("Control+Shift+l");
  await page.waitForFunction("document.documentElement.dataset.theme === 'dark'");
});

test("on a phone the list is a drawer, and nothing is wider than the screen", async () => {
  const page = await rig.page({ size: { width: 360, height: 740 } });
  await page.getByRole("button", { name: "Show the chats" }).click();
  const drawer = page.getByRole("dialog", { name: "Chats" });
  await drawer.getByRole("link", { name: "Upper" }).waitFor();
  await rig.expectAccessible(page);
  await drawer.getByRole("link", { name: "Upper" }).click();
  await drawer.waitFor({ state: "detached" });
  for (const path of ["/", "/settings"]) {
    // oxlint-disable-next-line no-await-in-loop
    await page.goto(rig.server.url + path);
    // oxlint-disable-next-line no-await-in-loop
    await page.locator("#main").waitFor();
    // oxlint-disable-next-line no-await-in-loop
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  }
});

test("a page whose code is gone from the server says that there is a newer version", async () => {
  const page = await rig.page();
  rig.allow(page, /ERR_FAILED|dynamically imported module|Failed to load/);
  await page.route("**/assets/settings-page-*", (route) => route.abort());
  await page.getByRole("button", { name: /Menu$/ }).click();
  await page.getByRole("menuitem", { name: "Settings" }).click();
  await page.getByRole("heading", { name: "There is a newer version" }).waitFor();
  await page.unroute("**/assets/settings-page-*");
  await page.getByRole("button", { name: "Reload" }).click();
  await page.getByRole("heading", { name: "Appearance" }).waitFor();
});

test("what fails is said, and stays until it is read", async () => {
  const { chat } = await rig.client.createChat({
    model: "demo/fast",
    content: "x",
    title: "Stuck",
  });
  await atRest(rig.client, chat.id);
  const page = await rig.page({ path: "/settings" });
  rig.allow(page, /ERR_FAILED|Failed to load/);
  await page.route(`**/api/v1/chats/${chat.id}`, (route) =>
    route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify({ code: "invalid_state", status: 409, detail: "Not now." }),
    }),
  );
  const link = page.getByRole("navigation", { name: "Chats" }).getByRole("link", { name: "Stuck" });
  await link.hover();
  await page.getByRole("button", { name: "Actions for Stuck" }).click();
  await page.getByRole("menuitem", { name: "Pin" }).click();
  const toast = page.getByText("The pin was not changed: Not now.");
  await toast.first().waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await toast.first().waitFor({ state: "detached" });
});
