import { spawn } from "node:child_process";
import { access, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { sourceStamp } from "./source-stamp.ts";

export type BuildOutcome =
  | { readonly kind: "ready" | "built"; readonly folder: string }
  /** `folder`: what an earlier build has left. */
  | { readonly kind: "failed"; readonly folder: string | undefined; readonly reason: string }
  | { readonly kind: "absent" };

export interface BuildOptions {
  /** The folder in which `web`, `client` and `protocol` lie. */
  readonly packages: string;
  /** Of the process that builds. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Part of the name of the folder that is built into. */
  readonly unique: string;
  readonly onStart: () => void;
}

/** Beside index.html: the stamp of the sources that it was built of. */
const stampFile = ".sources";

/** What of a failed build's output is worth a log line. */
const reasonCharsMax = 2_000;

/** Brings `web/dist` up to date with its sources, where both they and the tools are here. Never throws. */
export async function buildWeb(options: BuildOptions): Promise<BuildOutcome> {
  const web = join(options.packages, "web");
  const dist = join(web, "dist");
  const built = await exists(join(dist, "index.html"));
  const [stamp, vite] = await Promise.all([sourceStamp(options.packages), viteOf(web)]);
  if (stamp === null || vite === null) {
    return built ? { kind: "ready", folder: dist } : { kind: "absent" };
  }
  if (built && (await stampOf(dist)) === stamp) return { kind: "ready", folder: dist };
  options.onStart();
  const made = `${dist}.${options.unique}`;
  try {
    await runVite(vite, web, made, options.env);
    await writeFile(join(made, stampFile), stamp);
    await replace(dist, made, options.unique);
    return { kind: "built", folder: dist };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "failed", folder: built ? dist : undefined, reason };
  } finally {
    await rm(made, { recursive: true, force: true }).catch(() => {});
  }
}

/** A production install has no build tools. */
async function viteOf(web: string): Promise<string | null> {
  try {
    const manifest = createRequire(join(web, "package.json")).resolve("vite/package.json");
    const program = join(dirname(manifest), "bin/vite.js");
    return (await exists(program)) ? program : null;
  } catch {
    return null;
  }
}

async function runVite(
  vite: string,
  web: string,
  outDir: string,
  env: BuildOptions["env"],
): Promise<void> {
  const child = spawn(
    process.execPath,
    [vite, "build", "--outDir", outDir, "--emptyOutDir", "--logLevel", "warn"],
    {
      cwd: web,
      // Whatever it is here: libraries bring all their checks with them otherwise.
      env: { ...env, NODE_ENV: "production" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let said = "";
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString("utf8")).slice(-reasonCharsMax);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(said.trim() || `the build ended with ${code}`);
}

/** Two servers may build at once: the last one wins, and neither leaves half of it. */
async function replace(dist: string, made: string, unique: string): Promise<void> {
  const old = `${dist}.${unique}.old`;
  await rename(dist, old).catch(ignoreMissing);
  try {
    await rename(made, dist);
  } catch (error) {
    // Another one was quicker, with the same sources.
    if (!(await exists(join(dist, "index.html")))) throw error;
  }
  await rm(old, { recursive: true, force: true });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

async function stampOf(dist: string): Promise<string | null> {
  return await readFile(join(dist, stampFile), "utf8").catch(() => null);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
