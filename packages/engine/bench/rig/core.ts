import { short } from "./figures.ts";
import type { Look } from "./look.ts";

interface Row {
  readonly what: string;
  readonly scenario: string;
  readonly figure: string;
  readonly floor?: string;
  readonly here?: string;
  readonly elsewhere?: string;
}

const here = "Parley, same replica";
const elsewhere = "Parley, another replica";

/** What fits into the README. */
const rows: readonly Row[] = [
  {
    what: "added to a part, ms (100 chats, 50 parts a second each)",
    scenario: "parts every 20 ms",
    figure: "p50 ms",
    floor: "floor: one process",
    here,
    elsewhere,
  },
  {
    what: "processor time of a part, µs",
    scenario: "parts every 20 ms",
    figure: "CPU µs per part",
    floor: "floor: one process",
    here,
    elsewhere,
  },
  {
    what: "added to a part, ms (the same, 5 parts a second each)",
    scenario: "parts every 200 ms",
    figure: "p50 ms",
    floor: "floor: one process",
    here,
    elsewhere,
  },
  {
    what: "processor time of one delivery to 1,000 subscribers, µs",
    scenario: "fan-out to 1000",
    figure: "CPU µs per part",
    floor: "floor: bare broadcast",
    here,
    elsewhere,
  },
  {
    what: "message to first part, ms",
    scenario: "first-part",
    figure: "first part p50 ms",
    floor: "floor: proxy that commits",
    here,
    elsewhere,
  },
  {
    what: "processor time of a turn, ms",
    scenario: "turns",
    figure: "CPU ms per turn",
    floor: "floor: two commits",
    here,
    elsewhere: "Parley, streams elsewhere",
  },
  {
    what: "database reads of a turn",
    scenario: "turns",
    figure: "read transactions per turn",
    here,
    elsewhere: "Parley, streams elsewhere",
  },
  {
    what: "1,000 subscribers back, whose connections were cut, or their replica killed, ms",
    scenario: "reconnect",
    figure: "p50 ms",
    here: "Parley, connections cut",
    elsewhere: "Parley, replica killed",
  },
  {
    what: "a dead replica's chats called again, p99, ms",
    scenario: "takeover",
    figure: "p99 ms",
    elsewhere: "kill -9",
  },
];

/** The run in short: floors, Parley on one and two replicas, and the best of the peers; empty where nothing of it was measured. */
export function coreTable(look: Look): string {
  const lines = rows.flatMap(({ what, scenario, figure, ...names }) => {
    const cell = (name: string | undefined): string => {
      const value = name === undefined ? null : look.median(scenario, name, figure);
      return value === null ? "" : short(value);
    };
    const [best] = look.peers(scenario, figure);
    const peer = best === undefined ? "" : `${short(best.value)} (${best.name})`;
    const cells = [cell(names.floor), cell(names.here), cell(names.elsewhere), peer];
    return cells.every((each) => each === "") ? [] : [`| ${what} | ${cells.join(" | ")} |`];
  });
  if (lines.length === 0) return "";
  return [
    "| | floor | Parley, same replica | another replica | best peer |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...lines,
  ].join("\n");
}
