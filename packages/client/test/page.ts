import "./dom.ts";
import { act, cleanup, render, type RenderResult } from "@testing-library/react";
import { createElement, StrictMode, type ReactNode } from "react";
import { ParleyProvider } from "../src/react/provider.ts";
import { startStoreWorld, until, type StoreLike, type StoreWorld } from "./store-world.ts";
import { chatId } from "./events.ts";
import type { ChatState } from "../src/stores/chat-state.ts";

/** A page over a world of its own: what a browser would show. */
export interface Page extends StoreWorld {
  render(view: ReactNode, strict?: "strict"): RenderResult;
  /** Lets something happen, and waits until the store of the chat says so and React has drawn it. */
  after(happen: () => void, holds: (state: ChatState) => boolean): Promise<void>;
  /** The same for another store. */
  afterIn<S>(store: StoreLike<S>, happen: () => void, holds: (state: S) => boolean): Promise<void>;
}

export async function openPage(options: Parameters<typeof startStoreWorld>[0] = {}): Promise<Page> {
  const world = await startStoreWorld(options);
  const afterIn: Page["afterIn"] = async (store, happen, holds) => {
    await act(async () => {
      happen();
      await until(store, holds);
    });
    // What came before that was not waited for: React draws it by itself within a moment.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...world,
    afterIn,
    after: (happen, holds) => afterIn(world.stores.chat(chatId), happen, holds),
    render: (view, strict) => {
      const whole = createElement(ParleyProvider, { client: world.client }, view);
      return render(strict ? createElement(StrictMode, null, whole) : whole);
    },
    async close() {
      cleanup();
      await world.close();
    },
  };
}
