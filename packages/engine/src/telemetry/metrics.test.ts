import { describe, expect, it } from "vitest";
import type { WorkerObserver } from "../worker/observer.ts";
import { createMetrics } from "./metrics.ts";

const chat = { id: "c", model: "openai/gpt" };
const metrics = () => createMetrics({ version: "1.2.3", processMetrics: false });

describe("metrics", () => {
  it("count what the worker does, by provider and never by chat", async () => {
    const { worker, text } = metrics();
    worker.acquired(chat, "with_commit");
    worker.stepStarted(chat, "model");
    worker.stepStarted(chat, "model");
    worker.stepEnded(chat, "model", 1500);
    worker.retry(chat, "rate_limit", 1000);
    worker.turnEnded(chat, "finished", null);
    worker.turnEnded(chat, "error", "auth");
    worker.taskFailed("c", "generation", new Error("x"));
    worker.audited("c", "no_runner");
    worker.released("c");
    const page = await text();
    for (const line of [
      'parley_build_info{version="1.2.3"} 1',
      'parley_chats_acquired_total{how="with_commit"} 1',
      'parley_steps_running{kind="model"} 1',
      'parley_step_seconds_sum{provider="openai",kind="model"} 1.5',
      'parley_model_retries_total{provider="openai",kind="rate_limit"} 1',
      'parley_turns_total{provider="openai",outcome="finished",error=""} 1',
      'parley_turns_total{provider="openai",outcome="error",error="auth"} 1',
      'parley_task_failures_total{task="generation"} 1',
      'parley_audit_findings_total{finding="no_runner"} 1',
    ]) {
      expect(page).toContain(line);
    }
    expect(page).not.toContain('"c"');
  });

  it("have the shape of the worker's observer", () => {
    const observer: WorkerObserver = metrics().worker;
    expect(Object.keys(observer)).toContain("stepEnded");
  });

  it("read the database's counts and gauges when asked", async () => {
    const { watchDatabase, gauge, text } = metrics();
    let statements = 3;
    const counts = { reads: 1, writes: 2, singles: 0, rollbacks: 0, retries: 0, roundTrips: 4 };
    const waits: ((lane: "work" | "upkeep", ms: number) => void)[] = [];
    watchDatabase({
      snapshot: () => ({ operations: { send: { ...counts, statements } } }),
      pool: () => ({ size: 8, used: 6, waiting: 5, upkeepWaiting: 1 }),
      onWait: (fn) => void waits.push(fn),
    });
    for (const tell of waits) tell("work", 200);
    gauge("feeds", "Chats somebody watches.", () => 7);
    expect(await text()).toContain('parley_database_statements_total{operation="send"} 3');
    statements = 5;
    const page = await text();
    expect(page).toContain('parley_database_statements_total{operation="send"} 5');
    expect(page).toContain('parley_database_transactions_total{operation="send",kind="write"} 2');
    expect(page).toContain('parley_database_round_trips_total{operation="send"} 4');
    expect(page).toContain("parley_feeds 7");
    expect(page).toContain('parley_database_connections{state="used"} 6');
    expect(page).toContain('parley_database_waiting{lane="work"} 4');
    expect(page).toContain('parley_database_waiting{lane="upkeep"} 1');
    expect(page).toContain('parley_database_wait_seconds_bucket{le="0.1",lane="work"} 0');
    expect(page).toContain('parley_database_wait_seconds_bucket{le="0.25",lane="work"} 1');
  });

  it("say what waits and what works, and come all the same where that cannot be read", async () => {
    const { watchBacklog, text } = metrics();
    let reads = 0;
    const counts = { waiting: { capacity: 3, no_worker: 0 }, slots: { root: 2, sub_agent: 1 } };
    watchBacklog(async () => {
      reads += 1;
      if (reads > 1) throw new Error("the database is away");
      return counts;
    });
    const page = await text();
    expect(page).toContain('parley_chats_waiting{reason="capacity"} 3');
    expect(page).toContain('parley_chats_waiting{reason="no_worker"} 0');
    expect(page).toContain('parley_slots{kind="sub_agent"} 1');
    expect(reads).toBe(1);
    const without = await text();
    expect(without).not.toContain("parley_slots{");
    expect(without).toContain("parley_build_info");
  });

  it("measure requests by route", async () => {
    const { requestEnded, text } = metrics();
    requestEnded({ method: "GET", route: "/api/v1/chats/:id", status: 200, durationMs: 4 });
    const line = 'le="0.005",method="GET",route="/api/v1/chats/:id",status="200"} 1';
    expect(await text()).toContain(line);
  });

  it("of two servers in one process do not mix", async () => {
    const [a, b] = [metrics(), metrics()];
    a.worker.released("c");
    expect(await b.text()).toContain("parley_chats_released_total 0");
  });
});
