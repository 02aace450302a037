import { readdir } from "node:fs/promises";
import { fastifyStatic } from "@fastify/static";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App } from "../app.ts";
import { NotFound } from "../errors.ts";
import { contentPolicy } from "./content-policy.ts";

/** Names of these files hold a hash of what is in them: they never change. */
const immutable = "public, max-age=31536000, immutable";

/** Asked for again at every use, and mostly answered with 304. */
const revalidated = "no-cache";

const assetParams = z.object({ "*": z.string() });

/** All of them lie in one folder: nothing else can be named. */
const assetName = /^[\w-][\w.-]*$/;

/** The built application in a folder: its one page, and the files that the page asks for. */
export class WebApp {
  readonly #names: readonly string[];

  private constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** @throws the system's error where there is no such folder. */
  static async open(app: App, folder: string): Promise<WebApp> {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile() && !/^\.|\.(br|gz|html)$/.test(entry.name))
      .map(({ name }) => name);
    // Routes of our own, since those of the plugin could not be open to strangers.
    await app.register(fastifyStatic, {
      root: folder,
      serve: false,
      preCompressed: true,
      cacheControl: false,
      dotfiles: "ignore",
      index: false,
    });
    return new WebApp(names);
  }

  /** Code and looks of the application are no secret: who is not signed in needs them to do so. */
  routes(app: App): void {
    const common = { config: { auth: "open" }, method: "GET" } as const;
    app.route({
      ...common,
      url: "/assets/*",
      schema: { hide: true, params: assetParams },
      handler: async ({ params }, reply) => {
        const name = params["*"];
        if (!assetName.test(name)) throw new NotFound();
        return reply.header("cache-control", immutable).sendFile(`assets/${name}`);
      },
    });
    for (const name of this.#names) {
      app.route({
        ...common,
        url: `/${name}`,
        schema: { hide: true },
        handler: async (_request, reply) =>
          reply.header("cache-control", revalidated).sendFile(name),
      });
    }
  }

  page(reply: FastifyReply, status = 200): FastifyReply {
    return reply
      .code(status)
      .header("content-security-policy", contentPolicy)
      .header("cross-origin-opener-policy", "same-origin")
      .sendFile("index.html", { etag: false, lastModified: false, acceptRanges: false });
  }
}

/** A person opens an address: what is not ours to route may be a page of the application. */
export function isNavigation({ method, url, headers }: FastifyRequest): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  const [path = ""] = url.split("?", 1);
  if (/^\/(api|assets|mcp)(\/|$)/.test(path) || /\.[^/]*$/.test(path)) return false;
  return headers.accept?.includes("text/html") ?? false;
}
