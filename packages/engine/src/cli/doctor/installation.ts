import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { configuredProviders, type Config } from "../../config.ts";
import { formatBytes } from "../../config/parsers.ts";
import { findBinaries } from "../../postgres/embedded/binaries.ts";
import { clusterVersion } from "../../postgres/embedded/cluster.ts";
import { EmbeddedUnavailable } from "../../postgres/embedded/error.ts";
import { finding, type Finding } from "./finding.ts";

const nodeMajorMin = 24;

export function checkNode(nodeVersion: string): Finding {
  const major = Number(nodeVersion.split(".")[0]);
  if (major >= nodeMajorMin) return finding("ok", "Node", nodeVersion);
  return finding(
    "problem",
    "Node",
    `${nodeVersion} is too old: Parley needs ${nodeMajorMin} or newer`,
    'npm brings the right one along: run "npm ci" and start with "npm start" or "npm run parley".',
  );
}

/** Below the first a full disk is a matter of days, below the second PostgreSQL cannot even write its log. */
const freeBytesWanted = 1024 ** 3;
const freeBytesMin = 128 * 1024 ** 2;

export async function checkDataFolder(config: Config): Promise<Finding[]> {
  const subject = "Data folder";
  const { dataDir } = config;
  const info = await stat(dataDir).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (info instanceof Error) {
    if (info.code !== "ENOENT") return [unreadable(dataDir, info)];
    return [await checkCreatable(dataDir), ...(await checkSpace(dataDir))];
  }
  if (!info.isDirectory()) {
    return [
      finding(
        "problem",
        subject,
        `${dataDir} is no folder`,
        "Move it away, or set PARLEY_DATA_DIR.",
      ),
    ];
  }
  if (!(await allows(dataDir, constants.R_OK | constants.W_OK | constants.X_OK))) {
    return [unreadable(dataDir, undefined)];
  }
  const findings = [finding("ok", subject, dataDir)];
  const uid = process.getuid?.();
  if (uid !== undefined && info.uid !== uid) {
    const who = `${dataDir} belongs to user ${info.uid}, this is user ${uid}`;
    const mend = "Start Parley always as the same user, or give each a data folder of its own.";
    findings.push(finding("warning", subject, who, mend));
  }
  const { mode } = await stat(join(dataDir, "token")).catch(() => ({ mode: 0 }));
  if ((mode & 0o077) !== 0) {
    const mend = `chmod 600 ${join(dataDir, "token")}`;
    findings.push(finding("problem", subject, "others may read the first-use token", mend));
  }
  return [...findings, ...(await checkSpace(dataDir))];
}

function unreadable(dataDir: string, error: NodeJS.ErrnoException | undefined): Finding {
  const why = error?.code === undefined ? "" : ` (${error.code})`;
  return finding(
    "problem",
    "Data folder",
    `this account may not read and write ${dataDir}${why}`,
    `chown it to this account, or choose another with PARLEY_DATA_DIR.`,
  );
}

async function checkCreatable(dataDir: string): Promise<Finding> {
  const parent = await existingParent(dataDir);
  if (await allows(parent, constants.W_OK | constants.X_OK)) {
    return finding("ok", "Data folder", `${dataDir} will be made at the first start`);
  }
  return finding(
    "problem",
    "Data folder",
    `${dataDir} is not there, and this account may not make it in ${parent}`,
    "Make it and give it to this account, or choose another with PARLEY_DATA_DIR.",
  );
}

async function checkSpace(dataDir: string): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(await existingParent(dataDir));
  const free = bavail * bsize;
  const text = `${formatBytes(Math.floor(free / 1024 ** 2) * 1024 ** 2)} free`;
  if (free >= freeBytesWanted) return [];
  const mend = "Make room, or move the data folder (PARLEY_DATA_DIR) to a larger disk.";
  return [finding(free < freeBytesMin ? "problem" : "warning", "Disk", text, mend)];
}

async function existingParent(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined && dirname(path) !== path ? existingParent(dirname(path)) : path;
}

async function allows(path: string, mode: number): Promise<boolean> {
  return await access(path, mode).then(
    () => true,
    () => false,
  );
}

/** Whether the embedded database has been made: looking must not make it. */
export async function hasCluster(config: Config): Promise<boolean> {
  return (await clusterVersion(join(config.dataDir, "postgres"))) !== undefined;
}

/** Only where the embedded database is what is used. */
export async function checkBinaries(config: Config): Promise<Finding[]> {
  if (config.databaseUrl !== null) return [];
  const subject = "PostgreSQL binaries";
  const clusterDir = join(config.dataDir, "postgres");
  const cluster = await clusterVersion(clusterDir).catch(() => undefined);
  const made = cluster === undefined ? "" : `; the data is of PostgreSQL ${cluster}`;
  try {
    const { binDir } = await findBinaries(config.postgresBinDir ?? undefined, config.dataDir);
    return [finding("ok", subject, `${binDir}${made}`)];
  } catch (error) {
    if (!(error instanceof EmbeddedUnavailable)) throw error;
    const [text = "", ...mend] = error.message.split("\n");
    return [finding("problem", subject, text, mend.join("\n"))];
  }
}

/** Which providers have a key; never the key. */
export function checkProviders(config: Config): Finding {
  const providers = configuredProviders(config).filter((name) => name !== "demo");
  if (providers.length > 0) {
    return finding("ok", "Models", `configured: ${providers.join(", ")}`);
  }
  if (!config.demo) {
    return finding(
      "problem",
      "Models",
      "no provider has a key, and the demo models are off",
      "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY or PARLEY_PROVIDERS.",
    );
  }
  return finding(
    "note",
    "Models",
    "no provider has a key: the built-in demo models answer",
    "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY or PARLEY_PROVIDERS.",
  );
}

/** On an address that others reach, a token that can be guessed opens everything. */
const tokenCharsWanted = 24;

export function checkExposure(config: Config): Finding[] {
  if (/^(127\.|::1$|localhost$)/.test(config.host)) return [];
  const findings: Finding[] = [];
  if (config.baseUrl?.startsWith("https://") !== true) {
    findings.push(
      finding(
        "warning",
        "Network",
        `listens on ${config.host} without TLS`,
        "Put a proxy that speaks TLS in front and set PARLEY_BASE_URL to its https:// address.",
      ),
    );
  }
  if (config.token !== null && config.token.length < tokenCharsWanted) {
    const mend = "Leave PARLEY_TOKEN out, or set it to 32 random characters.";
    findings.push(
      finding("warning", "Network", "PARLEY_TOKEN is short enough to be guessed", mend),
    );
  }
  return findings;
}
