import type { Model } from "@parley/protocol";
import type { Client } from "../client.ts";
import { Audience } from "./audience.ts";

export interface ModelsState {
  readonly models: readonly Model[];
  readonly ready: boolean;
  readonly error: Error | null;
}

export const emptyModelsState: ModelsState = { models: [], ready: false, error: null };

/** The models that can be named. They change when a server is configured anew: whoever comes after a while asks again. */
export class ModelsStore {
  readonly #client: Client;
  readonly #audience: Audience;
  #state = emptyModelsState;
  #asks = 0;

  constructor(client: Client, lingerMs: number) {
    this.#client = client;
    const { runtime } = client;
    const onFirst = () => void this.#load();
    this.#audience = new Audience({ runtime, lingerMs, onFirst, onGone: () => (this.#asks += 1) });
  }

  readonly getState = (): ModelsState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => this.#audience.subscribe(listener);

  close(): void {
    this.#audience.close();
  }

  /** Never rejects. */
  async #load(): Promise<void> {
    const ask = ++this.#asks;
    let next: ModelsState;
    try {
      next = { models: await this.#client.models(), ready: true, error: null };
    } catch (error) {
      next = { ...this.#state, error: error instanceof Error ? error : new Error(String(error)) };
    }
    if (ask !== this.#asks) return;
    this.#state = next;
    this.#audience.notify();
  }
}
