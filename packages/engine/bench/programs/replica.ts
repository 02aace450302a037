import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { GCProfiler, getHeapStatistics } from "node:v8";
import { loadConfig } from "../../src/config.ts";
import { createEngine } from "../../src/engine.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { ManualClock } from "../../src/lib/manual-clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { answer, settingsOf } from "../rig/program.ts";
import { nowMs } from "../rig/time.ts";
import { BenchModels } from "./models.ts";

/** One replica of Parley, put together as in production. */

export interface ReplicaSettings {
  readonly databaseUrl: string;
  /** Settings beyond the defaults, as a deployment would give them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Models over HTTP, as `env` names them, instead of those of the process. */
  readonly provider?: boolean;
  /** The clock stands, so that nothing happens that goes by it: beats, polls, checkpoints, audits. */
  readonly still?: boolean;
}

const { databaseUrl, env = {}, provider = false, still = false } = settingsOf<ReplicaSettings>();
const { config } = loadConfig({
  env: {
    PARLEY_DATABASE_URL: databaseUrl,
    PARLEY_HOST: "127.0.0.1",
    PARLEY_PORT: "0",
    PARLEY_TITLE_MODEL: "off",
    PARLEY_CAPACITY: "2000",
    PARLEY_RUNNING_CHATS_MAX: "0",
    PARLEY_RUNNING_CHATS_PER_OWNER_MAX: "0",
    ...env,
  },
  platform: process.platform,
  homeDir: "/nonexistent",
});
const models = new BenchModels();
const engine = await createEngine(config, {
  connection: { connectionString: databaseUrl },
  logger: silentLogger,
  clock: still ? new ManualClock() : systemClock,
  random: systemRandom(systemClock),
  version: "bench",
  ...(provider ? {} : { models }),
});
await engine.start();

const collections = new GCProfiler();
let allocatedFrom = 0;
let profiling: Session | null = null;
let waitingMax = 0;
let [samples, samplesUsedUp] = [0, 0];
let usedUpSince: number | null = null;
let usedUpMsMax = 0;
const waitedMsMax = { work: 0, upkeep: 0 };
engine.database.stats.onWait((lane, ms) => {
  waitedMsMax[lane] = Math.max(waitedMsMax[lane], ms);
});
let sampling: NodeJS.Timeout | null = null;

function sample(): void {
  const { size, used, waiting } = engine.database.stats.pool();
  waitingMax = Math.max(waitingMax, waiting);
  samples += 1;
  if (used < size) usedUpSince = null;
  else {
    samplesUsedUp += 1;
    usedUpSince ??= nowMs();
    usedUpMsMax = Math.max(usedUpMsMax, nowMs() - usedUpSince);
  }
}

answer({
  url: () => engine.url,
  stats: () => engine.database.stats.snapshot(),
  runners: () => engine.worker.stats().runners,
  speaking: () => models.speaking,
  calledAt: () => models.calledAt,
  async drain() {
    await engine.drain();
  },
  start: ({ gapMs }: { gapMs: number }) => models.start(gapMs),
  pause: () => models.pause(),
  say: (text: string) => models.say(text),
  stop: () => models.stop(),
  watchPool() {
    waitingMax = usedUpMsMax = samples = samplesUsedUp = 0;
    waitedMsMax.work = waitedMsMax.upkeep = 0;
    usedUpSince = null;
    sampling = setInterval(sample, 5);
  },
  /**
   * Since then: the most that waited for a connection, and how long the longest waits were; the longest time in which no
   * connection was free, and the share of all.
   */
  pool() {
    if (sampling !== null) clearInterval(sampling);
    const usedUpShare = samplesUsedUp / Math.max(1, samples);
    return { waitingMax, waitedMsMax, usedUpMsMax, usedUpShare };
  },
  memory() {
    globalThis.gc?.();
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, held: heapUsed + external };
  },
  /** From here on, what is allocated is counted. */
  watchHeap() {
    globalThis.gc?.();
    collections.start();
    allocatedFrom = getHeapStatistics().used_heap_size;
  },
  /** Bytes allocated since then; null where something was collected meanwhile, and they cannot be told. */
  allocated() {
    const bytes = getHeapStatistics().used_heap_size - allocatedFrom;
    return collections.stop().statistics.length === 0 ? bytes : null;
  },
  async profile() {
    profiling = new Session();
    profiling.connect();
    await profiling.post("Profiler.enable");
    await profiling.post("Profiler.start");
  },
  async profiled(path: string) {
    if (profiling === null) return;
    const { profile } = await profiling.post("Profiler.stop");
    await writeFile(path, JSON.stringify(profile));
    profiling.disconnect();
    profiling = null;
  },
});
