#!/usr/bin/env node
import { homedir } from "node:os";
import { systemClock } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { runCli } from "./program.ts";

// A reader that goes away (`parley token list | head -1`) is not an error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  platform: process.platform,
  homeDir: homedir(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
  random: systemRandom(systemClock),
  onSignal(signals, fn) {
    for (const signal of signals) process.on(signal, fn);
    return () => {
      for (const signal of signals) process.off(signal, fn);
    };
  },
  onUncaught(fn) {
    process.on("uncaughtException", fn);
    return () => process.off("uncaughtException", fn);
  },
  exit: (code) => process.exit(code),
});
