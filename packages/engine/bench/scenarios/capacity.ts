import type { Lived, Place } from "../programs/people.ts";
import { makeChats, type Member } from "../rig/cluster.ts";
import type { Program } from "../rig/program.ts";
import { calibrate } from "../rig/machine.ts";
import type { BenchOptions, Figures, Outcome, Result, Scenario } from "../rig/scenario.ts";
import { cpuOf } from "../rig/spender.ts";
import { onStage, type Stage } from "../rig/stage.ts";
import { parleyTalk, talking } from "../rig/talk.ts";
import { scaleTable } from "../rig/scale.ts";

/** 30 parts a second, as models speak. */
const gapMs = 33;
/** Chats that speak at the same time: until something breaks. */
const steps = [25, 50, 100, 200, 400, 800];
/** People who talk as fast as it goes. */
const lanes = [1, 4, 16, 64];

/** Broken is what nobody would want to read: the slowest part in a hundred this late, or parts left behind. */
const p99MsMax = 250;
const shareMin = 0.95;

export const capacity: Scenario = {
  extra: true,
  name: "capacity",
  about: "how many running chats and turns a second one replica and its database carry",
  async run(options) {
    const { result: chats, part } = await running(options);
    const turns = await turning(options);
    const turn = turns.outcomes.at(-1)?.rounds[0] ?? {};
    const table = scaleTable({
      partMicros: part["CPU µs per part"] ?? NaN,
      storePartMicros: part["store CPU µs per part"] ?? NaN,
      turnMs: turn["CPU ms per turn"] ?? NaN,
      storeTurnMs: turn["store CPU ms per turn"] ?? NaN,
    });
    const note = `What more would need, by what a part cost before anything broke and a turn in the last row; a database has 32 cores, half of them for peaks and its own work:\n\n${table}`;
    return [chats, { ...turns, notes: [note] }];
  },
};

/** With the figures of the largest number at which nothing broke: beyond it, parts are sent several at once. */
async function running(options: BenchOptions): Promise<{ result: Result; part: Figures }> {
  return await onStage(async ({ cluster, start }) => {
    const owner = await cluster.replica({}, "owner");
    const ids = await makeChats(owner, steps.at(-1) ?? 0);
    const outcomes: Outcome[] = [];
    const calms = [calibrate()];
    const notes: string[] = [];
    let part: Figures = {};
    /* oxlint-disable no-await-in-loop */
    for (const chats of steps) {
      const name = `${chats} chats`;
      const [subscribers, some] = [await start("subscribers"), ids.slice(0, chats)];
      const stores = [cluster.postgres];
      const talk = await parleyTalk(name, "", subscribers, owner, owner, some, 1, stores);
      const figures = await talking(talk, gapMs, options).measure();
      await subscribers.kill();
      calms.push(calibrate());
      outcomes.push({ name, against: null, rounds: [figures], failure: null });
      const share = (figures["parts/s"] ?? 0) / ((chats * 1000) / gapMs);
      if ((figures["p99 ms"] ?? Infinity) > p99MsMax || share < shareMin) {
        notes.push(`It breaks at ${name}: p99 over ${p99MsMax} ms, or parts left behind.`);
        break;
      }
      part = figures;
    }
    /* oxlint-enable no-await-in-loop */
    const work = `So many chats at the same time, a part every ${gapMs} ms in each, one subscriber each, on one replica`;
    return { result: { scenario: "capacity: running chats", work, outcomes, calms, notes }, part };
  });
}

async function turning(options: BenchOptions): Promise<Result> {
  return await onStage(async (stage) => {
    const { cluster, start } = stage;
    const owner = await cluster.replica({}, "owner");
    const people = await start("people");
    const ids = await makeChats(owner, lanes.at(-1) ?? 0);
    const outcomes: Outcome[] = [];
    const calms = [calibrate()];
    for (const atOnce of lanes) {
      const places = ids.slice(0, atOnce).map((id) => owner.place(id, "bench/short"));
      // oxlint-disable-next-line no-await-in-loop
      const figures = await talked(stage, people, owner, places, options.roundMs);
      calms.push(calibrate());
      outcomes.push({ name: `${atOnce} at once`, against: null, rounds: [figures], failure: null });
    }
    const work = "So many people who talk as fast as it goes, on one replica";
    return { scenario: "capacity: turns", work, outcomes, calms, notes: [] };
  });
}

async function talked(
  { cluster }: Stage,
  people: Program,
  owner: Member,
  places: readonly Place[],
  ms: number,
): Promise<Figures> {
  await people.call("come", places);
  const spenders = [[owner.program], [cluster.postgres]] as const;
  const [cpu, store] = await Promise.all(spenders.map(cpuOf));
  const lived = await people.call<Lived>("live", { atOnce: places.length, ms });
  const [cpuAfter, storeAfter] = await Promise.all(spenders.map(cpuOf));
  await people.call("leave");
  return {
    "turns/s": lived.turns / (lived.ms / 1000),
    "turn p50 ms": lived.whole.p50,
    "turn p99 ms": lived.whole.p99,
    "CPU ms per turn": ((cpuAfter ?? NaN) - (cpu ?? NaN)) / 1000 / lived.turns,
    "store CPU ms per turn": ((storeAfter ?? NaN) - (store ?? NaN)) / 1000 / lived.turns,
    failures: lived.failures,
  };
}
