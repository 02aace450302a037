import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { ManualClock } from "../../lib/manual-clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { withFolderLock } from "./folder-lock.ts";
import { ownIdentity } from "./process-identity.ts";

const script = fileURLToPath(new URL("../../../test/folder-lock-child.ts", import.meta.url));
const seams = { clock: systemClock, random: systemRandom(systemClock) };

let folder: string;
let lock: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parley-lock-"));
  lock = join(folder, "lock");
  file = join(folder, "number");
  await writeFile(file, "0");
});
afterEach(() => rm(folder, { recursive: true }));

function child(times: number): ChildProcess {
  return spawn(process.execPath, [script, lock, file, String(times)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

async function claim(number: number, content: string, ageMs = 0): Promise<void> {
  await mkdir(lock, { recursive: true });
  const path = join(lock, `claim-${String(number).padStart(9, "0")}`);
  await writeFile(path, content);
  const at = new Date(Date.now() - ageMs);
  await utimes(path, at, at);
}

test("one at a time, in one process", async () => {
  let inside = 0;
  let entered = 0;
  await Promise.all(
    Array.from({ length: 5 }, () =>
      withFolderLock(lock, seams, async () => {
        expect(++inside).toBe(1);
        await systemClock.sleep(1, "work");
        inside -= 1;
        entered += 1;
      }),
    ),
  );
  expect(entered).toBe(5);
});

test("one at a time, between processes, some of them killed while they hold it", async () => {
  const workers = [child(40), child(40)];
  const done = workers.map((worker) => once(worker, "exit"));
  for (let i = 0; i < 3; i++) {
    const holder = child(Infinity);
    const exited = once(holder, "exit");
    await once(holder.stdout ?? holder, "data");
    await waitUntilWritten();
    holder.kill("SIGKILL");
    await exited;
  }
  expect(await Promise.all(done)).toEqual([
    [0, null],
    [0, null],
  ]);
  expect(await readFile(file, "utf8")).toBe("83");
});

/** The holder that stays inside has written when the number stands still over two looks, for nobody else can. */
async function waitUntilWritten(): Promise<void> {
  for (let last = ""; ;) {
    await systemClock.sleep(20, "look");
    const now = await readFile(file, "utf8");
    if (now === last && now !== "") return;
    last = now;
  }
}

test("is released when the work throws, and leaves one small file", async () => {
  await expect(
    withFolderLock(lock, seams, () => Promise.reject(new Error("mine"))),
  ).rejects.toThrow("mine");
  for (let i = 0; i < 3; i++) await withFolderLock(lock, seams, () => Promise.resolve());
  expect(await readdir(lock)).toEqual(["claim-000000004.free"]);
});

test("a claim of a pid that was given to another process since is not honoured", async () => {
  await claim(7, JSON.stringify({ ...(await ownIdentity()), startedAt: "1" }));
  await withFolderLock(lock, seams, async () =>
    expect(await readdir(lock)).toEqual(["claim-000000008"]),
  );
});

test("a claim from another boot or container counts until it is old", async () => {
  const elsewhere = JSON.stringify({ ...(await ownIdentity()), namespace: "another" });
  const clock = new ManualClock();
  await claim(1, elsewhere);
  let entered = false;
  const entering = withFolderLock(lock, { ...seams, clock }, async () => void (entered = true));
  await clock.waitForTimer("embedded.lock");
  expect(entered).toBe(false);
  await claim(1, elsewhere, 61_000);
  await clock.advance(20);
  await entering;
  expect(entered).toBe(true);
});

test("a claim that a crash of the machine left without content counts until it is old", async () => {
  await claim(1, "", 61_000);
  await withFolderLock(lock, seams, () => Promise.resolve());
  expect(await readdir(lock)).toEqual(["claim-000000002.free"]);
});

test("waiting is bounded, and the error names the holder", async () => {
  await claim(1, JSON.stringify(await ownIdentity()));
  const clock = new ManualClock();
  const entering = withFolderLock(lock, { ...seams, clock }, () => Promise.resolve());
  const outcome = entering.catch((error: unknown) => error);
  await clock.waitForTimer("embedded.lock");
  await clock.advance(180_001);
  expect(await outcome).toMatchObject({
    failure: "locked",
    message: expect.stringContaining(`process ${process.pid}`) as string,
  });
});
