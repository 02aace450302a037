import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { EmbeddedUnavailable } from "./error.ts";
import { livenessOf, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

/**
 * A lock between processes that survives the kill -9 of its holder, from nothing but atomic `link` and `rename`.
 *
 * The folder holds numbered claims. Whoever makes the highest one holds the lock; a claim whose process has ended,
 * or that is named free, may be followed by the next number. Making a claim is a `link` of a finished file, which
 * exactly one process can do. The highest claim is never removed, so numbers never run back: a process that was
 * asleep between looking and claiming finds a higher one when it looks again, and has lost.
 */
export interface FolderLockSeams {
  clock: Clock;
  random: Random;
}

/** initdb on a slow disk, then a start with recovery. */
const lockWaitMs = 180_000;
const pollMs = 20;

/** A holder whose pid cannot be judged from here (another container, an earlier boot) counts as gone after this. */
const elsewhereStaleMs = 60_000;

const claimPattern = /^claim-(\d{9})(\.free)?$/;
const claimName = (n: number): string => `claim-${String(n).padStart(9, "0")}`;

interface Claim {
  number: number;
  free: boolean;
}

export async function withFolderLock<T>(
  folder: string,
  { clock, random }: FolderLockSeams,
  fn: () => Promise<T>,
): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `draft-${random.uuid()}`);
  const held = await acquire(folder, draft, clock);
  try {
    await sweep(folder, held);
    return await fn();
  } finally {
    // A rename and not a write: it works on a full disk too.
    const claim = join(folder, claimName(held));
    await rename(claim, `${claim}.free`);
  }
}

async function acquire(folder: string, draft: string, clock: Clock): Promise<number> {
  const until = clock.monotonic() + lockWaitMs;
  for (;;) {
    // Written anew each time: its age is what stale claims are compared with, by the file system's own clock.
    await writeFile(draft, JSON.stringify(await ownIdentity()));
    const claimed = await tryClaim(folder, draft);
    if (claimed !== undefined || clock.monotonic() > until) {
      await rm(draft, { force: true });
      if (claimed !== undefined) return claimed;
      throw await lockedError(folder);
    }
    await clock.sleep(pollMs, "embedded.lock");
  }
}

/** The number of the claim that now holds the lock, or undefined. */
async function tryClaim(folder: string, draft: string): Promise<number | undefined> {
  const top = await highest(folder);
  if (!top.free && !(await isAbandoned(join(folder, claimName(top.number)), draft)))
    return undefined;
  const number = top.number + 1;
  const mine = join(folder, claimName(number));
  try {
    await link(draft, mine);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw error;
  }
  if ((await highest(folder)).number > number) {
    await rm(mine, { force: true });
    return undefined;
  }
  return number;
}

async function highest(folder: string): Promise<Claim> {
  let top: Claim = { number: 0, free: true };
  for (const name of await readdir(folder)) {
    const match = claimPattern.exec(name);
    const number = Number(match?.[1] ?? 0);
    if (number > top.number) top = { number, free: match?.[2] !== undefined };
  }
  return top;
}

/** Whether the process behind the claim is gone. */
async function isAbandoned(claim: string, draft: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(claim, "utf8");
  } catch {
    return false; // released or swept away in between: look again
  }
  const holder = parseHolder(text);
  const liveness = holder ? await livenessOf(holder) : "elsewhere";
  if (liveness !== "elsewhere") return liveness === "dead";
  try {
    const [claimed, now] = await Promise.all([stat(claim), stat(draft)]);
    return now.mtimeMs - claimed.mtimeMs > elsewhereStaleMs;
  } catch {
    return false;
  }
}

/** undefined for what no version of ours wrote (a disk that filled up in the middle, say). */
function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity>;
    const { pid, startedAt, namespace } = value;
    if (typeof pid !== "number" || typeof startedAt !== "string" || typeof namespace !== "string")
      return undefined;
    return { pid, startedAt, namespace };
  } catch {
    return undefined;
  }
}

/** Only by the holder: older claims, and drafts that a killed process left behind. */
async function sweep(folder: string, held: number): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(
    names.map(async (name) => {
      const claim = claimPattern.exec(name);
      if (claim && Number(claim[1]) < held) await rm(join(folder, name), { force: true });
      if (name.startsWith("draft-") && (await isForgotten(join(folder, name))))
        await rm(join(folder, name), { force: true });
    }),
  );
}

async function isForgotten(draft: string): Promise<boolean> {
  const text = await readFile(draft, "utf8").catch(() => "");
  const holder = parseHolder(text);
  return holder !== undefined && (await livenessOf(holder)) === "dead";
}

async function lockedError(folder: string): Promise<EmbeddedUnavailable> {
  const claim = join(folder, claimName((await highest(folder)).number));
  const holder = parseHolder(await readFile(claim, "utf8").catch(() => ""));
  const who = holder ? `process ${holder.pid}` : "another process";
  return new EmbeddedUnavailable(
    "locked",
    `${who} has held the lock ${folder} for more than ${lockWaitMs / 1000} s while starting or stopping ` +
      "the embedded PostgreSQL. If that process hangs, end it and start again.",
    { details: { folder } },
  );
}
