import { AxeBuilder } from "@axe-core/playwright";
import type { Client } from "@parley/client";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import type { ServerProcess } from "../../engine/test/server-process.ts";
import { Site, type PageOptions, type SiteOptions } from "./site.ts";

export type { PageOptions } from "./site.ts";

/**
 * A site for one test file. After each test its pages are closed, and none of them may have complained, thrown, or asked
 * anybody but the server.
 */
export function useRig(options: SiteOptions = {}): Rig {
  let site: Site | undefined;
  beforeAll(async () => {
    site = await Site.start(inject("chromium"), options);
  });
  afterEach(async () => expect(await site?.closePages()).toEqual([]));
  afterAll(async () => await site?.stop());
  return new Rig(() => {
    if (site === undefined) throw new Error("the site is not started yet");
    return site;
  });
}

class Rig {
  readonly #site: () => Site;

  constructor(site: () => Site) {
    this.#site = site;
  }

  get server(): ServerProcess {
    return this.#site().server;
  }

  /** The API, as the owner of the first-use token. */
  get client(): Client {
    return this.#site().client;
  }

  async page(options: PageOptions = {}): Promise<Page> {
    return await this.#site().page(options);
  }

  /** A page of another server. */
  async pageOf(server: ServerProcess, options: PageOptions = {}): Promise<Page> {
    return await this.#site().pageOf(server, options);
  }

  /** A fault that the test brings about on purpose. */
  allow(page: Page, fault: RegExp): void {
    this.#site().allow(page, fault);
  }

  /**
   * No violation of WCAG 2.2 AA, nor of what axe calls best practice. The order of headings in a reply is up to the model.
   */
  async expectAccessible(page: Page): Promise<void> {
    const { violations } = await new AxeBuilder({ page })
      .disableRules((await page.locator(".markdown").count()) > 0 ? ["heading-order"] : [])
      .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
      .analyze();
    const found = violations
      .filter((one) => !isOnlyFloating(one))
      .map(({ id, impact, nodes }) => ({
        id,
        impact,
        where: nodes.slice(0, 3).map(({ target, failureSummary }) => ({ target, failureSummary })),
      }));
    // oxlint-disable-next-line vitest/no-standalone-expect -- called by tests
    expect(found).toEqual([]);
  }
}

type Result = Awaited<ReturnType<AxeBuilder["analyze"]>>["violations"][number];

/** Menus and tooltips hang at the end of the document, outside of every landmark: that is how they lie over everything. */
function isOnlyFloating({ id, nodes }: Result): boolean {
  return (
    id === "region" &&
    nodes.every(({ target }) => String(target[0]).includes("data-radix-popper-content-wrapper"))
  );
}
