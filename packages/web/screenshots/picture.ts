import type { Page } from "playwright-core";
import type { ServerProcess } from "../../engine/test/server-process.ts";
import type { PageOptions, Site } from "../test/site.ts";

/** One state of the application, as a picture in docs/screenshots. */
export interface Picture {
  /** The file, without its ending. */
  readonly name: string;
  readonly page?: PageOptions;
  /** Brings the page to where it is worth looking at. */
  readonly prepare?: (page: Page, site: Site, other: ServerProcess) => Promise<void>;
}

export const phone = { width: 390, height: 844 };
