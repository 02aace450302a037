import { document, window } from "./dom.ts";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { act, cleanup, render } from "@testing-library/react";
import { createElement, StrictMode, type ComponentType } from "react";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "../../engine/test/engines.ts";
import { gate } from "../../engine/test/provider-server.ts";
import { says } from "../../engine/test/scripted-models.ts";
import { createClient } from "../src/client.ts";
import { ParleyProvider } from "../src/react/provider.ts";
import { storesOf } from "../src/stores/stores.ts";

/** The example application, unchanged, on a whole replica: everything is real but the model and the browser. */

const path = fileURLToPath(new URL("../../../examples/react-chat/App.tsx", import.meta.url));
const linesMax = 30;

let engines: Engines;
let engine: RunningEngine;
let App: ComponentType;
/** What a person would have been told. */
const alerts: unknown[] = [];

beforeAll(async () => {
  engines = await createEngines();
  engine = await engines.start();
  Object.assign(globalThis, { alert: (error: unknown) => void alerts.push(error) });
  ({ App } = (await import(path)) as { App: ComponentType });
});
afterAll(async () => {
  cleanup();
  await engines.close();
});

it(`is written in at most ${linesMax} lines`, () => {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(linesMax);
});

it("streams, queues what is sent meanwhile, and is there again after a reload", async () => {
  const go = gate();
  engine.models.enqueue(async (speaker) => {
    speaker.text("Let me think. ");
    await speaker.wait(go.promise);
    speaker.text("Yes.");
  }, says("And again."));
  const first = open();
  await first.say("Is it so?");
  await first.shows("Is it so?", "Let me think. ");
  await first.say("And now?");
  await first.shows("Is it so?", "Let me think. ", "And now?");
  first.close();
  const second = open();
  await second.shows("Is it so?", "Let me think. ", "And now?");
  go.open();
  await second.shows("Is it so?", "Let me think. Yes.", "And now?", "And again.");
  second.close();
  expect(alerts).toEqual([]);
});

/** A visit of the page, whose address is kept from one to the next. */
function open() {
  const client = createClient({ baseUrl: engine.replica.url, token: engine.token });
  const app = createElement(StrictMode, null, createElement(App));
  const { unmount } = render(createElement(ParleyProvider, { client }, app));
  const lines = () => [...document.querySelectorAll("p")].map((line) => line.textContent);
  return {
    async say(text: string): Promise<void> {
      const input = document.querySelector("input");
      const form = document.querySelector("form");
      if (input === null || form === null) throw new Error("the example has no form");
      await act(async () => {
        input.value = text;
        form.dispatchEvent(new window.Event("submit", { bubbles: true, cancelable: true }));
      });
    },
    /** Resolves when exactly these lines are on the page. */
    shows: (...expected: string[]): Promise<void> =>
      new Promise((resolve) => {
        const look = () => {
          if (lines().join("\n") !== expected.join("\n")) return;
          changes.disconnect();
          resolve();
        };
        const changes = new window.MutationObserver(look);
        changes.observe(document.body, { childList: true, characterData: true, subtree: true });
        look();
      }),
    close(): void {
      unmount();
      storesOf(client).close();
    },
  };
}
