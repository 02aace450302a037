import type { Bus } from "./bus.ts";

/** The bus of a deployment that is one replica: there is nobody to tell. */
export class InProcessBus implements Bus {
  publish(): void {}

  subscribe(): () => void {
    return () => {};
  }

  start(): void {}

  async stop(): Promise<void> {}
}
