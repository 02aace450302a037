import { createClient, type Client } from "@parley/client";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { startServerProcess, type ServerProcess } from "../../engine/test/server-process.ts";
import { launchChromium } from "./chromium.ts";
import { Watch } from "./watched-page.ts";

export interface PageOptions {
  theme?: "light" | "dark";
  /** In CSS pixels. Default 1280 × 800. */
  size?: { width: number; height: number };
  /** Pixels of the picture for one CSS pixel. Default 1. */
  scale?: number;
  /** Default: with the first-use token. */
  signedIn?: boolean;
  /** After signing in. Default `/`. */
  path?: string;
  /** Another tab of this page's browser, with the same cookies. */
  beside?: Page;
}

export interface SiteOptions {
  /** Settings of the server; a function where they are known only once something else runs. */
  env?: Record<string, string> | (() => Promise<Record<string, string>>);
}

/** How long anything on a page may take on a busy machine. */
const actionMsMax = 60_000;

/** A real server with the demo models, its own database in a temporary folder, and a browser that visits it. */
export class Site {
  readonly server: ServerProcess;
  readonly #browser: Browser;
  readonly #open = new Map<BrowserContext, Watch>();

  private constructor(server: ServerProcess, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  /** @param executablePath of Chromium */
  static async start(executablePath: string, { env }: SiteOptions = {}): Promise<Site> {
    const settings = typeof env === "function" ? await env() : env;
    const [server, browser] = await Promise.all([
      startServerProcess({ env: { PARLEY_WEB: "true", ...settings } }),
      launchChromium(executablePath),
    ]);
    return new Site(server, browser);
  }

  /** The API, as the owner of the first-use token. */
  get client(): Client {
    return createClient({ baseUrl: this.server.url, token: this.server.token });
  }

  async page(options: PageOptions = {}): Promise<Page> {
    return await this.pageOf(this.server, options);
  }

  /** A page of another server. */
  async pageOf(server: ServerProcess, options: PageOptions = {}): Promise<Page> {
    const { signedIn = true, path = "/", beside } = options;
    const { url, token } = server;
    const page = await (beside?.context() ?? (await this.#context(url, options))).newPage();
    page.setDefaultTimeout(actionMsMax);
    if (signedIn && beside === undefined) await page.goto(`${url}/?token=${token}`);
    if (page.url() !== `${url}${path}`) await page.goto(`${url}${path}`);
    return page;
  }

  /** A fault that is brought about on purpose. */
  allow(page: Page, fault: RegExp): void {
    this.#open.get(page.context())?.allow(fault);
  }

  /** Closes every page. @returns what went wrong in any of them and was not allowed */
  async closePages(): Promise<string[]> {
    const faults = [...this.#open.values()].flatMap((watch) => watch.faults());
    await Promise.all([...this.#open.keys()].map((context) => context.close()));
    this.#open.clear();
    return faults;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.server.kill("SIGTERM");
    await this.server.exited;
  }

  async #context(
    url: string,
    { theme = "light", size, scale = 1 }: PageOptions,
  ): Promise<BrowserContext> {
    const context = await this.#browser.newContext({
      colorScheme: theme,
      viewport: size ?? { width: 1280, height: 800 },
      deviceScaleFactor: scale,
      // Things are where they are: nothing is measured while it moves.
      reducedMotion: "reduce",
      locale: "en-GB",
    });
    this.#open.set(context, new Watch(context, url));
    return context;
  }
}
