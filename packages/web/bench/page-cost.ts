import type { CDPSession, Page } from "playwright-core";

/** What a page has cost its browser since it was opened. */
export interface Cost {
  scriptMs: number;
  layoutMs: number;
  /** All that its main thread has done, script and layout included. */
  taskMs: number;
}

/** What has changed in a page's document. */
export interface Drawings {
  /** Times that something was drawn. */
  all: number;
  /** Changes inside what was there at the beginning. */
  insideOld: number;
}

/** Looks at a page from the outside, as a browser's developer tools do. */
export class PageCost {
  readonly #page: Page;
  readonly #session: CDPSession;

  private constructor(page: Page, session: CDPSession) {
    this.#page = page;
    this.#session = session;
  }

  static async of(page: Page): Promise<PageCost> {
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    await session.send("HeapProfiler.enable");
    return new PageCost(page, session);
  }

  async now(): Promise<Cost> {
    const values = await this.#metrics();
    const ms = (name: string) => (values.get(name) ?? 0) * 1_000;
    return {
      scriptMs: ms("ScriptDuration"),
      layoutMs: ms("LayoutDuration") + ms("RecalcStyleDuration"),
      taskMs: ms("TaskDuration"),
    };
  }

  /** Bytes of JavaScript objects that are in use. */
  async heapBytes(): Promise<number> {
    // What the first finds is let go of by finalizers, and found by the second.
    await this.#session.send("HeapProfiler.collectGarbage");
    await this.#session.send("HeapProfiler.collectGarbage");
    return (await this.#metrics()).get("JSHeapUsedSize") ?? 0;
  }

  /** From now on, what is drawn is counted; `selector` finds the messages that are on the page already. */
  async countDrawings(selector: string): Promise<void> {
    await this.#page.evaluate((messages) => {
      const old = [...document.querySelectorAll(messages)];
      const drawings = { all: 0, insideOld: 0 };
      Object.assign(window, { drawings });
      new MutationObserver((records) => {
        drawings.all += 1;
        for (const { target } of records) {
          if (old.some((message) => message.contains(target))) drawings.insideOld += 1;
        }
      }).observe(document.body, { childList: true, characterData: true, subtree: true });
    }, selector);
  }

  async drawings(): Promise<Drawings> {
    return await this.#page.evaluate(() => (window as unknown as { drawings: Drawings }).drawings);
  }

  async #metrics(): Promise<Map<string, number>> {
    const { metrics } = await this.#session.send("Performance.getMetrics");
    return new Map(metrics.map(({ name, value }) => [name, value]));
  }
}
