import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { useRig } from "./rig.ts";

const rig = useRig();

/** What a page may need before it can be used, everything counted as it comes over the wire. */
const firstLoadBytesMax = 250_000;
const chatLoadBytesMax = 400_000;

test("the printed address signs in, and leaves no token in the address bar or the history", async () => {
  const page = await rig.page();
  await page.getByRole("link", { name: "New chat" }).waitFor();
  expect(page.url()).toBe(`${rig.server.url}/`);
  expect(await page.evaluate("document.cookie")).toBe("");
  await page.goBack().catch(() => null);
  expect(page.url()).not.toContain("token");
});

test("an address of the application opens it, and one of nobody leads home", async () => {
  const page = await rig.page({ path: "/settings" });
  await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  await page.goto(`${rig.server.url}/no/such/page`);
  await page.waitForURL(`${rig.server.url}/`);
});

test("the policy lets no foreign script, picture or call through", async () => {
  const page = await rig.page();
  rig.allow(page, /Content Security Policy|CSP|violates|Refused to|blocked/i);
  rig.allow(page, /request to another place: https:\/\/evil\.example/);
  const violated = await page.evaluate(`new Promise((resolve) => {
    const seen = new Set();
    document.addEventListener("securitypolicyviolation", (event) => {
      seen.add(event.effectiveDirective);
      if (seen.size === 4) resolve([...seen].sort());
    });
    const inline = document.createElement("script");
    inline.textContent = "window.owned = true";
    document.body.append(inline);
    const foreign = document.createElement("script");
    foreign.src = "https://evil.example/x.js";
    document.body.append(foreign);
    document.body.append(Object.assign(new Image(), { src: "https://evil.example/x.png" }));
    document.body.append(Object.assign(document.createElement("iframe"), { src: "https://evil.example/" }));
    fetch("https://evil.example/").catch(() => {});
  })`);
  expect(violated).toEqual(["connect-src", "frame-src", "img-src", "script-src-elem"]);
  expect(await page.evaluate("window.owned")).toBeUndefined();
});

/** Bytes over the wire, by path, of everything that an address needs when it is opened for the first time. */
async function loadOf(page: Page, address: string, until: () => Promise<void>): Promise<number> {
  const sizes = new Map<string, number>();
  page.on("response", (response) => {
    const bytes = Number(response.headers()["content-length"] ?? 0);
    sizes.set(new URL(response.url()).pathname, bytes);
  });
  await page.goto(address);
  await until();
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(sizes))} ${total} bytes\n`);
  return total;
}

test(`the first page takes less than ${firstLoadBytesMax / 1000} kB, one chat and its Markdown not much more`, async () => {
  const first = await rig.page({ signedIn: false });
  rig.allow(first, /401/);
  const welcome = await loadOf(first, `${rig.server.url}/?token=${rig.server.token}`, () =>
    first.getByRole("button", { name: "A long reply" }).waitFor(),
  );
  expect(welcome).toBeGreaterThan(50_000);
  expect(welcome).toBeLessThan(firstLoadBytesMax);

  const { chat } = await rig.client.createChat({ model: "demo/fast", content: "x", title: "One" });
  const second = await rig.page({ signedIn: false });
  rig.allow(second, /401/);
  await second.context().addCookies(await first.context().cookies());
  const conversation = await loadOf(second, `${rig.server.url}/chats/${chat.id}`, () =>
    second.getByRole("heading", { name: "One", level: 1 }).waitFor(),
  );
  expect(conversation).toBeLessThan(chatLoadBytesMax);
});
