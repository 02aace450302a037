import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, type Config, type LoadedConfig } from "../../config.ts";
import { silentLogger } from "../../lib/logger.ts";
import { say, type CliContext } from "../context.ts";
import { DataFolder } from "../data-folder.ts";
import { exitCodes } from "../exit.ts";
import { checkDatabase } from "./database.ts";
import { finding, findingText, type Finding } from "./finding.ts";
import {
  checkBinaries,
  checkDataFolder,
  checkExposure,
  checkNode,
  checkProviders,
  hasCluster,
} from "./installation.ts";
import { checkServers } from "./server.ts";

/** `parley doctor`: looks, changes nothing, and gives 1 when something does not work. */
export async function doctor(
  load: () => LoadedConfig,
  context: CliContext,
  options: { json?: boolean },
): Promise<number> {
  const findings: Finding[] = [];
  const report = (found: readonly Finding[]): void => {
    findings.push(...found);
    if (options.json !== true) for (const each of found) say(context, findingText(each));
  };
  report([checkNode(process.versions.node)]);
  const config = loaded(load, report);
  if (config !== null) await examine(config, context, report);
  const problems = findings.filter(({ severity }) => severity === "problem").length;
  if (options.json === true) say(context, JSON.stringify(findings, null, 2));
  else say(context, verdict(problems));
  return problems === 0 ? exitCodes.ok : exitCodes.failure;
}

function verdict(problems: number): string {
  if (problems === 0) return "\nNothing stands in the way.";
  return problems === 1 ? "\nOne problem." : `\n${problems} problems.`;
}

/** Shows that the embedded database runs on this machine, without making the one that is to stay. */
async function tryEmbedded(config: Config, context: CliContext): Promise<Finding[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "parley-doctor-"));
  try {
    const found = await checkDatabase({ ...config, dataDir }, context, silentLogger);
    const text = "not made yet; what follows was found by trying one in a temporary folder";
    return [finding("note", "Database", text), ...found];
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

type Report = (found: readonly Finding[]) => void;

/** Null where the settings cannot be used: everything else depends on them. */
function loaded(load: () => LoadedConfig, report: Report): Config | null {
  try {
    const { config, sources } = load();
    const set = Object.values(sources).filter((source) => source !== "default").length;
    report([finding("ok", "Settings", set === 0 ? "all defaults" : `${set} set, all good`)]);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const mend = "docs/configuration.md has the whole list.";
    report(error.problems.map((problem) => finding("problem", "Settings", problem, mend)));
    return null;
  }
}

async function examine(config: Config, context: CliContext, report: Report): Promise<void> {
  report([checkProviders(config), ...checkExposure(config)]);
  const folder = await checkDataFolder(config);
  report(folder);
  const binaries = await checkBinaries(config);
  report(binaries);
  const blocked = [...folder, ...binaries].some(({ severity }) => severity === "problem");
  if (config.databaseUrl !== null || (!blocked && (await hasCluster(config)))) {
    report(await checkDatabase(config, context, silentLogger));
  } else if (!blocked) {
    report(await tryEmbedded(config, context));
  }
  report(await checkServers(config, context, new DataFolder(config.dataDir, context.random)));
}
