import { ParleyApiError, ParleyNetworkError, StreamEndedError } from "@parley/client";
import type { Rng } from "../rng.ts";
import type { Device } from "./device.ts";

/** How often somebody tries what is none of his business. */
const tryMs = 4_000;

export interface StrangerOptions {
  readonly device: Device;
  readonly rng: Rng;
  /** Chats of others. */
  readonly chats: () => readonly string[];
  /** What became of a try; `let_in`: he was told or given anything. */
  readonly onTry: (what: string, chatId: string, letIn: boolean, outcome: string) => void;
}

/** Somebody with a good token and no right to any of these chats, who knows their ids. */
export class Stranger {
  readonly #options: StrangerOptions;
  readonly #stop = new AbortController();

  constructor(options: StrangerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.device.process.deliver(() => void this.#live());
  }

  rest(): void {
    this.#stop.abort();
  }

  async #live(): Promise<void> {
    const { device, rng, chats } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop
      await device.process.clock.sleep(rng.exponential(tryMs), "stranger", signal);
      const ids = chats();
      // oxlint-disable-next-line no-await-in-loop
      if (ids.length > 0 && !signal.aborted) await this.#try(rng.pick(ids), rng);
    }
  }

  async #try(chatId: string, rng: Rng): Promise<void> {
    const { client } = this.#options.device;
    const tries: Record<string, () => Promise<unknown>> = {
      get: async () => await client.getChat(chatId),
      messages: async () => await client.listMessages(chatId),
      send: async () => await client.sendMessage(chatId, { content: "let me in" }),
      interrupt: async () => await client.interrupt(chatId),
      fork: async () => await client.forkChat(chatId),
      delete: async () => await client.deleteChat(chatId),
      usage: async () => await client.usage(chatId),
      ticket: async () => await client.streamTicket(chatId),
      stream: async () => {
        for await (const event of client.subscribe(chatId, { signal: this.#stop.signal })) {
          throw new Error(`was shown ${event.type}`);
        }
        throw new StreamEndedError("forbidden");
      },
    };
    const what = rng.pick(Object.keys(tries));
    const { onTry } = this.#options;
    try {
      await tries[what]?.();
      onTry(what, chatId, true, "was let in");
    } catch (error) {
      const refused =
        error instanceof ParleyNetworkError ||
        error instanceof StreamEndedError ||
        (error instanceof ParleyApiError &&
          ["chat_not_found", "database_unavailable", "draining"].includes(error.code));
      onTry(what, chatId, !refused, String(error));
    }
  }
}
