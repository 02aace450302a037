import { expect, test } from "vitest";
import { useRig } from "./rig.ts";

const rig = useRig();

/** What a page may need before it can be used, everything counted as it comes over the wire. */
const firstLoadBytesMax = 250_000;

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

test(`the first page takes less than ${firstLoadBytesMax / 1000} kB`, async () => {
  const page = await rig.page({ signedIn: false, path: "/settings" });
  rig.allow(page, /401/);
  const sizes = new Map<string, number>();
  page.on("response", (response) => {
    const bytes = Number(response.headers()["content-length"] ?? 0);
    sizes.set(new URL(response.url()).pathname, bytes);
  });
  await page.goto(`${rig.server.url}/?token=${rig.server.token}`);
  await page.getByRole("button", { name: "A long reply" }).waitFor();
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  process.stdout.write(`first load: ${JSON.stringify(Object.fromEntries(sizes))} ${total} bytes\n`);
  expect(total).toBeGreaterThan(50_000);
  expect(total).toBeLessThan(firstLoadBytesMax);
});
