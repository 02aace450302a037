import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { buildWeb } from "../../engine/src/cli/web/build-web.ts";

/** Once before all browser tests: so that no test waits for it. */
export async function setup(): Promise<void> {
  const packages = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const outcome = await buildWeb({
    packages,
    env: process.env,
    unique: randomUUID(),
    onStart: () => {},
  });
  if (outcome.kind === "failed" || outcome.kind === "absent") {
    throw new Error(`the web application cannot be built: ${JSON.stringify(outcome)}`);
  }
}
