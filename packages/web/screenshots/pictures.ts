import type { Page } from "playwright-core";
import { atWork } from "./at-work.ts";
import { operatorPictures } from "./operator-pictures.ts";
import { phone, type Picture } from "./picture.ts";

const listIsThere = async (page: Page): Promise<void> => {
  await page.getByRole("navigation", { name: "Chats" }).waitFor();
};

const frame: readonly Picture[] = [
  { name: "welcome", prepare: listIsThere },
  { name: "welcome-dark", page: { theme: "dark" }, prepare: listIsThere },
  { name: "welcome-phone", page: { size: phone } },
  {
    name: "list-phone",
    page: { size: phone },
    prepare: async (page) => {
      await page.getByRole("button", { name: "Show the chats" }).click();
      await listIsThere(page);
    },
  },
  { name: "sign-in", page: { signedIn: false } },
  {
    name: "settings",
    page: { path: "/settings", size: { width: 1280, height: 1100 } },
    prepare: listIsThere,
  },
  { name: "settings-dark", page: { path: "/settings", theme: "dark" }, prepare: listIsThere },
  {
    name: "shortcuts",
    prepare: async (page) => {
      await listIsThere(page);
      // Where something is typed it is only a question mark.
      await page.evaluate("document.activeElement.blur()");
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "chat-menu",
    prepare: async (page) => {
      await listIsThere(page);
      await page.getByRole("link", { name: "Bread with less yeast" }).hover();
      await page.getByRole("button", { name: "Actions for Bread with less yeast" }).click();
      await page.getByRole("menu").waitFor();
    },
  },
];

/** A chat of the list, opened. */
const opened =
  (title: string) =>
  async (page: Page): Promise<void> => {
    await page.getByRole("link", { name: title }).click();
    await page.waitForURL(/\/chats\//);
    await page.getByRole("heading", { name: title, level: 1 }).waitFor();
    await page.evaluate("document.activeElement.blur()");
  };

const conversations: readonly Picture[] = [
  { name: "chat", prepare: opened("A week in Porto") },
  { name: "chat-dark", page: { theme: "dark" }, prepare: opened("A week in Porto") },
  { name: "approval", prepare: opened("The mail to the landlord") },
  { name: "failed", prepare: opened("Why the build was red") },
];

export const pictures: readonly Picture[] = [
  ...frame,
  ...conversations,
  ...atWork,
  ...operatorPictures,
];
