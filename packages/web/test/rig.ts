import { AxeBuilder } from "@axe-core/playwright";
import { createClient, type Client } from "@parley/client";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import { startServerProcess, type ServerProcess } from "../../engine/test/server-process.ts";
import { launchChromium } from "./chromium.ts";
import { Watch } from "./watched-page.ts";

export interface PageOptions {
  theme?: "light" | "dark";
  /** In CSS pixels. Default 1280 × 800. */
  size?: { width: number; height: number };
  /** Default: with the first-use token. */
  signedIn?: boolean;
  /** After signing in. Default `/`. */
  path?: string;
  /** Of another tab: the same browser, the same cookies. */
  beside?: Page;
}

export interface RigOptions {
  /** Settings of the server. */
  env?: Record<string, string>;
}

/** How long anything on a page may take on a busy machine. */
const actionMsMax = 15_000;

/**
 * A real server with the demo models, its own database in a temporary folder, and a browser: for one test file. After each
 * test no page may have complained, thrown, or asked anybody but the server.
 */
export function useRig(options: RigOptions = {}): Rig {
  const rig = new Rig(options);
  beforeAll(async () => await rig.start());
  afterEach(async () => await rig.endTest());
  afterAll(async () => await rig.stop());
  return rig;
}

export class Rig {
  readonly #options: RigOptions;
  #server: ServerProcess | undefined;
  #browser: Browser | undefined;
  readonly #open = new Map<BrowserContext, Watch>();

  constructor(options: RigOptions) {
    this.#options = options;
  }

  get server(): ServerProcess {
    if (this.#server === undefined) throw new Error("the server is not started yet");
    return this.#server;
  }

  /** The API, as the owner of the first-use token. */
  get client(): Client {
    return createClient({ baseUrl: this.server.url, token: this.server.token });
  }

  /** @param executablePath of Chromium; the test run's own by default */
  async start(executablePath: string = inject("chromium")): Promise<void> {
    [this.#server, this.#browser] = await Promise.all([
      startServerProcess({ env: { PARLEY_WEB: "true", ...this.#options.env } }),
      launchChromium(executablePath),
    ]);
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    this.#server?.kill("SIGTERM");
    await this.#server?.exited;
  }

  /** Closes every page; nothing may have gone wrong in any of them. */
  async endTest(): Promise<void> {
    const faults = [...this.#open.values()].flatMap((watch) => watch.faults());
    await Promise.all([...this.#open.keys()].map((context) => context.close()));
    this.#open.clear();
    expect(faults).toEqual([]);
  }

  async page(options: PageOptions = {}): Promise<Page> {
    const { signedIn = true, path = "/" } = options;
    const page = await (options.beside?.context() ?? (await this.#context(options))).newPage();
    page.setDefaultTimeout(actionMsMax);
    if (signedIn && options.beside === undefined) {
      await page.goto(`${this.server.url}/?token=${this.server.token}`);
    }
    if (page.url() !== `${this.server.url}${path}`) await page.goto(`${this.server.url}${path}`);
    return page;
  }

  /** A fault that the test brings about on purpose. */
  allow(page: Page, fault: RegExp): void {
    this.#open.get(page.context())?.allow(fault);
  }

  /** No violation of WCAG 2.2 AA that axe calls serious or critical; the others are listed too. */
  async expectAccessible(page: Page): Promise<void> {
    const { violations } = await new AxeBuilder({ page })
      .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
      .analyze();
    const found = violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      where: nodes.slice(0, 3).map(({ target, failureSummary }) => ({ target, failureSummary })),
    }));
    expect(found).toEqual([]);
  }

  async #context({ theme = "light", size }: PageOptions): Promise<BrowserContext> {
    if (this.#browser === undefined) throw new Error("the browser is not started yet");
    const context = await this.#browser.newContext({
      colorScheme: theme,
      viewport: size ?? { width: 1280, height: 800 },
      // Things are where they are: nothing is measured while it moves.
      reducedMotion: "reduce",
      locale: "en-GB",
    });
    this.#open.set(context, new Watch(context, this.server.url));
    return context;
  }
}
