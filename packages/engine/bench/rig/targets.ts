import { short } from "./figures.ts";
import type { Look } from "./look.ts";

/** What Parley is to be, and how a run shows whether it is. */
interface Target {
  readonly what: string;
  /** One figure each; null: not measured. */
  readonly figures: (look: Look) => (number | null)[];
  readonly isMet: (figure: number) => boolean;
  /** What stands before a figure. */
  readonly sign?: string;
  readonly unit?: string;
}

const atMost = (limit: number) => (figure: number) => figure <= limit;

const parts = "parts every 20 ms";
const here = "Parley, same replica";
const elsewhere = "Parley, another replica";
const takeover = "takeover";
const storm = "Parley, two replicas";
const cut = "Parley, connections cut";
const backs = [cut, "Parley, replica killed"];

const targets: readonly Target[] = [
  {
    what: "a part on the same replica: at most ×1.2 of the floor, p50 and p95",
    figures: (look) => [look.ratio(parts, here, "p50 ms"), look.ratio(parts, here, "p95 ms")],
    isMet: atMost(1.2),
    sign: "×",
  },
  {
    what: "a part on another replica: at most ×1.3 of two processes, p50 and p95",
    figures: (look) => [
      look.ratio(parts, elsewhere, "p50 ms"),
      look.ratio(parts, elsewhere, "p95 ms"),
    ],
    isMet: atMost(1.3),
    sign: "×",
  },
  {
    what: "processor time of a part: at most ×1.5, here and elsewhere",
    figures: (look) => [here, elsewhere].map((name) => look.ratio(parts, name, "CPU µs per part")),
    isMet: atMost(1.5),
    sign: "×",
  },
  {
    what: "fan-out to 1,000: at most ×1.25 of a bare broadcast, which is 80 % of its rate",
    figures: (look) => [look.ratio("fan-out to 1000", here, "CPU µs per part")],
    isMet: atMost(1.25),
    sign: "×",
  },
  {
    what: "reads for streams per turn on the same replica: none",
    figures: (look) => [look.median("turns", here, "read transactions per turn")],
    isMet: atMost(0),
  },
  {
    what: "reads for streams on another replica: at most one per commit",
    figures: (look) => {
      const of = (figure: string) => look.median("turns", "Parley, streams elsewhere", figure);
      const [reads, commits] = [
        of("read transactions per turn"),
        of("write transactions per turn"),
      ];
      return [reads === null || commits === null ? null : reads / commits];
    },
    isMet: atMost(1),
  },
  {
    what: "write transactions of a plain turn: at most 4",
    figures: (look) => [look.median("turns", here, "write transactions per turn")],
    isMet: atMost(4),
  },
  {
    what: "the storm: fewer than 2.63 reads per follow-up turn",
    figures: (look) => [look.median("storm", storm, "reads per turn")],
    isMet: (figure) => figure < 2.63,
  },
  {
    what: "the storm: no failures",
    figures: (look) => [look.median("storm", storm, "failures")],
    isMet: atMost(0),
  },
  {
    what: "the storm: the pool is never used up",
    figures: (look) => [look.median("storm", storm, "pool used up for ms, longest")],
    isMet: atMost(0),
    unit: " ms",
  },
  {
    what: "takeover after kill -9: p50 below 1.5 s",
    figures: (look) => [look.median(takeover, "kill -9", "p50 ms")],
    isMet: (figure) => figure < 1_500,
    unit: " ms",
  },
  {
    what: "takeover after kill -9: p99 below 3 s",
    figures: (look) => [look.median(takeover, "kill -9", "p99 ms")],
    isMet: (figure) => figure < 3_000,
    unit: " ms",
  },
  {
    what: "hand-over: p99 below 0.5 s",
    figures: (look) => [look.median(takeover, "hand-over", "p99 ms")],
    isMet: (figure) => figure < 500,
    unit: " ms",
  },
  {
    what: "a thousand come back at once, to the same replica and after a death: no failures",
    figures: (look) => backs.map((name) => look.median("reconnect", name, "failures")),
    isMet: atMost(0),
  },
  {
    what: "the same: at most one read for every four of them",
    figures: (look) => backs.map((name) => look.median("reconnect", name, "reads each")),
    isMet: atMost(0.25),
  },
  ...["history", "chats", "replicas"].map((size): Target => ({
    what: `processor time of a turn: flat within 10 % over ${size}${size === "history" ? " that its replica knows" : ""}`,
    figures: (look) => [look.lastRatio(`growth: ${size}`, "CPU ms per turn")],
    isMet: atMost(1.1),
    sign: "×",
  })),
  ...[
    [parts, elsewhere, "p50 ms"],
    [parts, elsewhere, "CPU µs per part"],
    ["parts every 200 ms", elsewhere, "p50 ms"],
    ["parts every 200 ms", elsewhere, "CPU µs per part"],
    ["fan-out to 1000", elsewhere, "CPU µs per part"],
    ["first-part", here, "first part p50 ms"],
    ["turns", here, "CPU ms per turn"],
    ["turns", here, "turns/s"],
    ["reconnect", cut, "p50 ms"],
  ].map(([scenario = "", name = "", figure = ""]): Target => ({
    what: `ahead of every peer: ${scenario}, ${figure}, over the best of them`,
    figures: (look) => {
      const all = look.peers(scenario, figure);
      const more = figure.endsWith("/s");
      const best = (more ? all.at(-1) : all[0])?.value;
      const own = look.median(scenario, name, figure);
      if (own === null || best === undefined) return [null];
      return [more ? best / own : own / best];
    },
    isMet: (figure) => figure < 1,
    sign: "×",
  })),
];

/** What was asked, what came, and whether that is enough: a table of those that were measured, or of `all`. */
export function targetsTable(look: Look, all = false): string {
  const rows = targets.flatMap(({ what, figures, isMet, sign = "", unit = "" }) => {
    const measured = figures(look).filter((figure) => figure !== null);
    if (measured.length === 0) return all ? [`| ${what} | | not measured |`] : [];
    const said = measured.map((figure) => `${sign}${short(figure)}${unit}`).join(" and ");
    const met = measured.filter(isMet).length;
    const verdict =
      met === measured.length ? "met" : met === 0 ? "**missed**" : "**missed by one**";
    return [`| ${what} | ${said} | ${verdict} |`];
  });
  if (rows.length === 0) return "";
  return ["| target | figure | |", "| --- | ---: | --- |", ...rows].join("\n");
}
