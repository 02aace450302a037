import type { Locator, Page } from "playwright-core";

/** What a person does and sees on the page of a chat. */
export class Conversation {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get log(): Locator {
    return this.page.getByRole("log", { name: "Conversation" });
  }

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: "Message", exact: true });
  }

  /** The steps of replies that are on the page, those that are still generated included. */
  get replies(): Locator {
    return this.log.getByRole("article", { name: "Reply" });
  }

  get queue(): Locator {
    return this.page.getByRole("region", { name: "Queue" });
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Begins a chat from the welcome page; gives its id. */
  async begin(text: string): Promise<string> {
    await this.say(text);
    await this.page.waitForURL(/\/chats\/./);
    return this.page.url().split("/").at(-1) ?? "";
  }

  /** While the model works, what is sent now is sent so. */
  async whileBusy(mode: "Queue" | "Steer" | "Interrupt"): Promise<void> {
    await this.page.getByRole("button", { name: /^While it works/ }).click();
    await this.page.getByRole("menuitemradio", { name: new RegExp(`^${mode}`) }).click();
  }

  async stop(): Promise<void> {
    await this.page.getByRole("button", { name: "Stop" }).click();
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.log.getByText(text).first().waitFor();
  }

  /** The chat is at rest: nothing runs any more. */
  async settled(): Promise<void> {
    await this.page.getByRole("button", { name: "Send", exact: true }).waitFor();
    await this.page.locator('[aria-busy="true"]').waitFor({ state: "detached" });
  }
}

/** Nothing of what a person has read may go: each text must begin with the one before. */
export class Watched {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  /** From now on, every change of the newest reply's text is looked at. */
  static async start(page: Page): Promise<Watched> {
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(window, { seenTexts: seen });
      const look = (): void => {
        const text = [...document.querySelectorAll("article")].at(-1)?.textContent ?? "";
        if (text !== seen.at(-1)) seen.push(text);
      };
      new MutationObserver(look).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
      });
      look();
    });
    return new Watched(page);
  }

  /** Every text that the newest reply has had, in order. */
  async texts(): Promise<string[]> {
    return await this.#page.evaluate(
      () => (window as unknown as { seenTexts: string[] }).seenTexts,
    );
  }

  /** The most that the newest reply has lost of what could be read, in characters: marks of Markdown that became form. */
  async lost(): Promise<number> {
    const texts = (await this.texts()).map((text) => text.replace(/^Thinking…|^Thoughts/, ""));
    return Math.max(0, ...texts.map((text, at) => lostBetween(texts[at - 1] ?? "", text)));
  }
}

function lostBetween(before: string, after: string): number {
  let same = 0;
  while (same < before.length && before[same] === after[same]) same += 1;
  return before.length - same;
}
