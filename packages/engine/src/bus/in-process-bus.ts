import type { ChatHint } from "../domain/commit.ts";
import type { Bus, BusListener } from "./bus.ts";

/**
 * The bus of replicas that live in one process: of a deployment that is one replica, and of tests. Replicas that share
 * a `meeting` hear each other.
 */
export class InProcessBus implements Bus {
  readonly #meeting: Set<InProcessBus>;
  readonly #listeners = new Set<BusListener>();

  constructor(meeting: Set<InProcessBus> = new Set()) {
    this.#meeting = meeting;
  }

  publish(hint: ChatHint): void {
    for (const bus of this.#meeting) {
      if (bus === this) continue;
      for (const listener of bus.#listeners) listener.hint(hint);
    }
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.#meeting.add(this);
    for (const listener of this.#listeners) listener.resync();
  }

  async stop(): Promise<void> {
    this.#meeting.delete(this);
  }
}
