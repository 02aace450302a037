import { describe, expect, test } from "vitest";
import { ManualClock } from "../lib/manual-clock.ts";
import { Gate, type Lane } from "./gate.ts";

const waitMs = 5_000;

function setUp(size: number) {
  const clock = new ManualClock();
  const waits: [Lane, number][] = [];
  const gate = new Gate({
    size,
    waitMs,
    clock,
    onWaited: (lane, ms) => void waits.push([lane, ms]),
  });
  return { gate, clock, waits };
}

/** How many of `n` that ask at once come in. */
async function admitted(gate: Gate, lane: Lane, n: number): Promise<number> {
  const asked = Array.from({ length: n }, async () => await gate.enter(lane));
  await Promise.all(asked.slice(0, n - gate.waiting(lane)));
  return n - gate.waiting(lane);
}

describe("a gate", () => {
  test.each([
    { size: 1, work: 1, upkeep: 0 },
    { size: 2, work: 1, upkeep: 1 },
    { size: 3, work: 2, upkeep: 1 },
    { size: 4, work: 2, upkeep: 2 },
    { size: 10, work: 8, upkeep: 2 },
  ])("of $size lets $work of work in, and $upkeep of upkeep beside", async (expected) => {
    const { gate } = setUp(expected.size);
    const work = await admitted(gate, "work", 20);
    const upkeep = await admitted(gate, "upkeep", 20);
    expect({ size: expected.size, work, upkeep }).toEqual(expected);
  });

  test.each([
    { size: 2, upkeep: 1 },
    { size: 4, upkeep: 3 },
  ])("of $size leaves one to work, however much upkeep there is", async ({ size, upkeep }) => {
    const { gate } = setUp(size);
    expect(await admitted(gate, "upkeep", 20)).toBe(upkeep);
    expect(await admitted(gate, "work", 20)).toBe(1);
  });

  test("lets work in by order of arrival, and upkeep before it", async () => {
    const { gate } = setUp(1);
    const order: string[] = [];
    const pass = async (name: string, lane: Lane): Promise<void> => {
      const leave = await gate.enter(lane);
      order.push(name);
      leave();
    };
    const leave = await gate.enter("work");
    const all = [pass("a", "work"), pass("b", "work"), pass("beat", "upkeep"), pass("c", "work")];
    expect([gate.waiting("work"), gate.waiting("upkeep")]).toEqual([3, 1]);
    leave();
    await Promise.all(all);
    expect(order).toEqual(["beat", "a", "b", "c"]);
  });

  test("lets nobody wait for longer than the limit, and takes nothing for who gave up", async () => {
    const { gate, clock, waits } = setUp(1);
    const leave = await gate.enter("work");
    const late = gate.enter("work");
    late.catch(() => {});
    await clock.advance(waitMs);
    await expect(late).rejects.toMatchObject({
      code: "database_unavailable",
      details: { reason: "pool" },
    });
    expect(gate.waiting("work")).toBe(0);
    leave();
    (await gate.enter("work"))();
    expect(waits).toEqual([
      ["work", 0],
      ["work", waitMs],
      ["work", 0],
    ]);
  });

  test("forgets the limit of who has come in", async () => {
    const { gate, clock, waits } = setUp(1);
    const first = await gate.enter("work");
    const second = gate.enter("work");
    await clock.advance(100);
    first();
    const leave = await second;
    expect(clock.pending()).toEqual([]);
    expect(waits.at(-1)).toEqual(["work", 100]);
    leave();
  });
});
