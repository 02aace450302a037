import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { FigureCounts } from "./figure-counts.ts";

interface ObservedChat {
  readonly id: string;
  readonly model: string;
}

/** The worker's observer (worker/observer.ts has this shape), as metrics. */
export interface WorkerMetrics {
  acquired(chat: ObservedChat, how: string): void;
  released(chatId: string): void;
  stepStarted(chat: ObservedChat, kind: string): void;
  stepEnded(chat: ObservedChat, kind: string, durationMs: number): void;
  firstPart(chat: ObservedChat, durationMs: number): void;
  retry(chat: ObservedChat, kind: string, delayMs: number): void;
  turnEnded(chat: ObservedChat, outcome: string, error: string | null): void;
  budgetRefused(chat: ObservedChat, scope: string, unit: string): void;
  taskFailed(chatId: string, task: string, error: unknown): void;
  audited(chatId: string, finding: string): void;
}

/** Seconds. A step is anything from a tool's millisecond to a reasoning model's quarter of an hour. */
const stepBuckets = [0.01, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

/** Seconds. Models that think in silence may take minutes. */
const firstPartBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];

/** Users may name any model of a provider: a label of them all could grow without end. */
const providerOf = (chat: ObservedChat): string => chat.model.split("/", 1)[0] ?? "";

export function workerMetrics(registry: Registry, figures: FigureCounts): WorkerMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `parley_${name}`, help, labelNames, registers });

  const acquired = counter("chats_acquired_total", "Chats taken, by how they were found.", ["how"]);
  const released = counter("chats_released_total", "Chats given back.", []);
  const turns = counter("turns_total", "Turns that ended here, and how.", [
    "provider",
    "outcome",
    "error",
  ]);
  const retries = counter("model_retries_total", "Failed model calls that are tried again.", [
    "provider",
    "kind",
  ]);
  const refused = counter(
    "budget_refused_total",
    "Model calls that a budget had no room for, by whose budget it was and what it counts.",
    ["scope", "unit"],
  );
  const failures = counter("task_failures_total", "Tasks that failed for our own reasons.", [
    "task",
  ]);
  const audits = counter("audit_findings_total", "What the audit had to mend.", ["finding"]);
  const running = new Gauge({
    name: "parley_steps_running",
    help: "Model calls and tool batches in flight.",
    labelNames: ["kind"],
    registers,
  });
  const steps = new Histogram({
    name: "parley_step_seconds",
    help: "Time of a model call or a batch of tools, retries apart.",
    labelNames: ["provider", "kind"],
    buckets: stepBuckets,
    registers,
  });

  const firstParts = new Histogram({
    name: "parley_first_part_seconds",
    help: "Time from the beginning of a model call to the first that the model says.",
    labelNames: ["provider"],
    buckets: firstPartBuckets,
    registers,
  });

  return {
    acquired: (_chat, how) => acquired.inc({ how }),
    released: () => released.inc(),
    stepStarted: (_chat, kind) => running.inc({ kind }),
    stepEnded(chat, kind, durationMs) {
      running.dec({ kind });
      steps.observe({ provider: providerOf(chat), kind }, durationMs / 1000);
    },
    firstPart(chat, durationMs) {
      firstParts.observe({ provider: providerOf(chat) }, durationMs / 1000);
      figures.firstPart(durationMs);
    },
    retry(chat, kind) {
      retries.inc({ provider: providerOf(chat), kind });
      figures.error(kind);
    },
    turnEnded(chat, outcome, error) {
      turns.inc({ provider: providerOf(chat), outcome, error: error ?? "" });
      figures.turn();
      if (error !== null) figures.error(error);
    },
    budgetRefused: (_chat, scope, unit) => refused.inc({ scope, unit }),
    taskFailed(_chatId, task) {
      failures.inc({ task });
      figures.error("internal");
    },
    audited: (_chatId, finding) => audits.inc({ finding }),
  };
}
