import { fileURLToPath } from "node:url";
import type { Config } from "../../config.ts";
import type { Logger } from "../../lib/logger.ts";
import { tell, type CliContext } from "../context.ts";
import { buildWeb, type BuildOutcome } from "./build-web.ts";

const packages = fileURLToPath(new URL("../../../../", import.meta.url)).replace(/[\\/]$/, "");

/**
 * The folder of the web application, built first where it is missing or older than its sources. Undefined: there is
 * none, and a plain page takes its place; nothing about it keeps a server from starting.
 */
export async function webApplication(
  config: Pick<Config, "web">,
  context: CliContext,
  logger: Logger,
): Promise<string | undefined> {
  if (!config.web) return undefined;
  const startedAt = context.clock.monotonic();
  const outcome = await buildWeb({
    packages,
    env: context.env,
    unique: context.random.uuid(),
    onStart: () => tell(context, "building the web application, once …"),
  });
  const ms = Math.round(context.clock.monotonic() - startedAt);
  return folderOf(outcome, context, logger, ms);
}

function folderOf(
  outcome: BuildOutcome,
  context: CliContext,
  logger: Logger,
  ms: number,
): string | undefined {
  switch (outcome.kind) {
    case "ready":
      return outcome.folder;
    case "built":
      tell(context, `built it in ${(ms / 1000).toFixed(1)} s`);
      return outcome.folder;
    case "failed": {
      const instead = outcome.folder === undefined ? "a plain page" : "the one built before";
      logger.warn({ reason: outcome.reason }, `could not build the web application: ${instead}`);
      return outcome.folder;
    }
    case "absent":
      logger.info({}, "there is no web application here: a plain page at / instead");
      return undefined;
    default:
      return outcome satisfies never;
  }
}
