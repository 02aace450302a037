import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One run of the model checker over a model of `docs/model`. */
export interface ModelCheck {
  model: "chat" | "cursor";
  /** What the run leaves out of the model, or how large it makes it; `NAME` or `NAME=number`. */
  defines: string[];
  /** `safety`: assertions and states without an exit. `liveness`: these, and the model's formula under weak fairness. */
  of: "safety" | "liveness";
  /** What the checker must complain of; undefined: nothing. */
  complaint?: string;
}

export interface ModelOutcome {
  /** What the checker complained of, undefined where every state is as it should be. */
  complaint: string | undefined;
  states: number;
  transitions: number;
  seconds: number;
}

/** More than ten times what a check has taken on a busy machine. */
const checkMsMax = 600_000;

const folder = join(import.meta.dirname, "../../docs/model");

/** Bounds at which all runs together take less than a minute on one core. */
export const checks: ModelCheck[] = [
  { model: "chat", defines: ["EDITS=0"], of: "safety" },
  { model: "chat", defines: ["MESSAGES=1"], of: "liveness" },
  { model: "cursor", defines: ["PARTS=2"], of: "safety" },
  { model: "cursor", defines: ["COMMITS=2", "PARTS=2", "DROPS=1"], of: "liveness" },
];

/** Larger bounds, for minutes. */
export const longChecks: ModelCheck[] = [
  { model: "chat", defines: [], of: "safety" },
  { model: "chat", defines: ["EDITS=0"], of: "liveness" },
  { model: "cursor", defines: [], of: "safety" },
  { model: "cursor", defines: ["PARTS=2", "DROPS=1"], of: "liveness" },
];

/** The model without one of its rules: the proof that what is checked can fail, and that the rule is needed. */
export const mutations: ModelCheck[] = [
  without("chat", "NO_FENCE", "owner==me"),
  without("chat", "NO_HISTORY_CHECK", "history==known"),
  without("chat", "NO_ATTEMPT", "writer[episode]"),
  without("chat", "NO_LEDGER", "ran"),
  without("chat", "STOP_IN_MEMORY", "stopped!=turn"),
  without("chat", "POP_THEN_PROMOTE", "invalid end state"),
  without("chat", "NO_TAKEOVER", "invalid end state"),
  without("chat", "STALE_MEMORY", "seen==history"),
  without("cursor", "LATE_CURSOR", "held[at]==revision[at]"),
  without("cursor", "EARLY_CURSOR", "held[at]==revision[at]"),
  without("cursor", "UNLOCKED_REVISION", "held[at]==revision[at]"),
  without("cursor", "REVISION_ONLY", "held[at]==revision[at]"),
  without("cursor", "SEQ_ONLY", "heldSeq"),
  without("cursor", "KEEP_PREVIEW", "absorbed[next]"),
];

function without(model: ModelCheck["model"], name: string, complaint: string): ModelCheck {
  return { model, defines: [name], of: "safety", complaint };
}

/** `chat, safety, NO_FENCE` */
export function nameOf({ model, of, defines }: ModelCheck): string {
  return [model, of, ...defines].join(", ");
}

/**
 * Lets spin write the checker, compiles it and runs it until it has seen every state or one that must not be.
 * Throws where spin or the compiler fails, or where the checker gave up before it was through.
 */
export function runCheck({ model, defines, of }: ModelCheck): ModelOutcome {
  const work = mkdtempSync(join(tmpdir(), "parley-model-"));
  const run = (command: string, args: string[]): string => {
    const { stdout, stderr, error, signal } = spawnSync(command, args, {
      cwd: work,
      encoding: "utf8",
      timeout: checkMsMax,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (error) throw error;
    if (signal) throw new Error(`${command} was ended by ${signal}`);
    return stdout + stderr;
  };
  try {
    const live = of === "liveness";
    const flags = defines.map((define) => `-D${define}`);
    const said = run("spin", ["-a", ...flags, join(folder, `${model}.pml`)]);
    if (/error/i.test(said)) throw new Error(said);
    const mode = live ? ["-DNFAIR=3"] : ["-DSAFETY", "-DNOCLAIM"];
    const compiled = run("gcc", ["-O1", "-w", "-DVECTORSZ=1024", ...mode, "-o", "pan", "pan.c"]);
    if (compiled !== "") throw new Error(compiled);
    const before = performance.now();
    const report = run("./pan", ["-m200000", "-w22", ...(live ? ["-a", "-f"] : [])]);
    const seconds = (performance.now() - before) / 1000;
    return { ...outcomeOf(report), seconds };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Reads the report of the checker. Throws where it did not search everything. */
export function outcomeOf(report: string): Omit<ModelOutcome, "seconds"> {
  const complaint = /^pan:\d+: (.+?)(?: \(at depth \d+\))?$/m.exec(report)?.[1];
  const errors = /errors: (\d+)/.exec(report)?.[1];
  const whole = /^\(Spin Version/m.test(report) && !/max search depth too small/.test(report);
  if (errors === undefined || !whole || (errors !== "0") !== (complaint !== undefined)) {
    throw new Error(`the checker did not finish:\n${report}`);
  }
  const count = (what: string): number =>
    Number(new RegExp(`^\\s*([\\d.e+]+) ${what}`, "m").exec(report)?.[1] ?? Number.NaN);
  return { complaint, states: count("states, stored"), transitions: count("transitions") };
}

/** The models as they are written, for what is said of them. */
export function modelText(model: ModelCheck["model"]): string {
  return readFileSync(join(folder, `${model}.pml`), "utf8");
}
