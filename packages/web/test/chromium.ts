import { chromium, type Browser } from "playwright-core";

/** Silent: a page's own requests are all there is. As root there is no sandbox to be had. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--font-render-hinting=none",
];

export async function launchChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({ executablePath, args });
}
