import type { BrowserContext, Page } from "playwright-core";

/** Collects what no page of ours may do: complain in the console, throw, or ask anybody but its own server. */
export class Watch {
  readonly #origin: string;
  readonly #faults: string[] = [];
  readonly #allowed: RegExp[] = [];

  constructor(context: BrowserContext, origin: string) {
    this.#origin = origin;
    context.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.#faults.push(
          `console ${message.type()}: ${message.text()} (${message.location().url})`,
        );
      }
    });
    context.on("weberror", (error) => {
      this.#faults.push(`uncaught: ${error.error().stack ?? error.error().message}`);
    });
    context.on("request", (request) => this.#look(request.url()));
    context.on("page", (page: Page) => {
      page.on("websocket", (socket) => this.#look(socket.url()));
    });
  }

  /** What this test brings about on purpose, as a console line or an error says it. */
  allow(pattern: RegExp): void {
    this.#allowed.push(pattern);
  }

  /** Everything that nobody has allowed. */
  faults(): string[] {
    return this.#faults.filter((fault) => !this.#allowed.some((pattern) => pattern.test(fault)));
  }

  #look(address: string): void {
    const url = new URL(address);
    if (url.protocol === "data:" || url.protocol === "blob:" || url.protocol === "about:") return;
    const origin = url.origin.replace(/^ws/, "http");
    if (origin !== this.#origin) this.#faults.push(`request to another place: ${address}`);
  }
}
