import { parentPort } from "node:worker_threads";
import type { Job, Reply } from "./job.ts";
import { verdictOn } from "./verdict.ts";

/**
 * The thread in which schemas from outside are compiled and applied. Either may take for ever (a pattern that
 * backtracks, references that multiply) or all memory: whoever waits ends the thread then, and nothing else is hurt.
 */

parentPort?.on("message", (job: Job) => {
  const reply: Reply = { id: job.id, verdict: verdictOn(job) };
  parentPort?.postMessage(reply);
});
parentPort?.postMessage("ready");
