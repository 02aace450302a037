import type { ToolRun } from "../actors/tools.ts";
import type { Committed } from "../database/ports.ts";
import { checkHistories } from "./history.ts";
import { Mirror } from "./mirror.ts";
import { OneWriter } from "./one-writer.ts";
import { QueueChecker } from "./queue.ts";
import { ToolChecker } from "./tools.ts";
import { checkTransitions } from "./transitions.ts";
import type { Verdict } from "./verdict.ts";
import { checkVersions } from "./versions.ts";
import { ViewChecker } from "./views.ts";

/** Everything that is judged while a run goes on. */
export class Checkers {
  readonly mirror = new Mirror();
  readonly views: ViewChecker;
  readonly queue: QueueChecker;
  readonly #verdict: Verdict;
  readonly #oneWriter: OneWriter;
  readonly #tools: ToolChecker;

  constructor(verdict: Verdict) {
    this.#verdict = verdict;
    this.views = new ViewChecker(this.mirror, verdict);
    this.queue = new QueueChecker(this.mirror, verdict);
    this.#oneWriter = new OneWriter(verdict);
    this.#tools = new ToolChecker(this.mirror, verdict);
  }

  onCommit(committed: Committed): void {
    const commit = this.mirror.apply(committed);
    checkTransitions(commit, this.#verdict);
    checkVersions(commit, this.#verdict);
    checkHistories(commit, this.mirror, this.#verdict);
    this.#oneWriter.onCommit(commit);
    this.queue.onCommit(commit);
  }

  onToolRun(run: ToolRun): void {
    this.#tools.onRun(run);
  }
}
