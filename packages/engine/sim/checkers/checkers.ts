import type { ToolRun } from "../actors/tools.ts";
import type { Committed } from "../database/ports.ts";
import type { ModelReply, ModelRequest } from "../../src/models/model-port.ts";
import type { Told } from "../actors/acts/act.ts";
import type { SimProcess } from "../process.ts";
import { checkDecisions } from "./decisions.ts";
import { FileChecker } from "./files.ts";
import { checkForms } from "./forms.ts";
import { checkHistories } from "./history.ts";
import { ListChecker } from "./lists.ts";
import { Mirror } from "./mirror.ts";
import { OnceChecker } from "./once.ts";
import { OneWriter } from "./one-writer.ts";
import { PromptChecker } from "./prompts.ts";
import { QueueChecker } from "./queue.ts";
import { SpendingChecker, type SpendingRules } from "./spending.ts";
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
  readonly lists: ListChecker;
  /** What users are asked to tell. */
  readonly told: Told;
  readonly #files: FileChecker;
  readonly #spending: SpendingChecker;
  readonly #prompts: PromptChecker;
  /** Which attempt a call of a model was made for. */
  readonly #attempts = new WeakMap<ModelRequest, string>();
  readonly #verdict: Verdict;
  readonly #oneWriter: OneWriter;
  readonly #tools: ToolChecker;

  constructor(verdict: Verdict, rules: SpendingRules) {
    this.#verdict = verdict;
    this.views = new ViewChecker(this.mirror, verdict);
    this.queue = new QueueChecker(this.mirror, verdict);
    this.#oneWriter = new OneWriter(verdict);
    this.#tools = new ToolChecker(this.mirror, verdict);
    this.lists = new ListChecker(this.mirror, verdict);
    this.#files = new FileChecker(this.mirror, verdict);
    this.#spending = new SpendingChecker(this.mirror, verdict, rules);
    this.#prompts = new PromptChecker(this.mirror, verdict);
    const once = new OnceChecker(verdict);
    this.told = {
      acknowledged: (clientId) => this.queue.acknowledged(clientId),
      repeated: (clientId, place, sameBody) => once.repeated(clientId, place, sameBody),
      uploaded: (file, said) => this.#files.uploaded(file, said),
      downloaded: (file, status, bytes) => this.#files.downloaded(file, status, bytes),
      usage: (chatId, tokens, usdMicros) => this.#spending.told(chatId, tokens, usdMicros),
    };
  }

  onCommit(committed: Committed): void {
    const commit = this.mirror.apply(committed);
    checkTransitions(commit, this.#verdict);
    checkVersions(commit, this.#verdict);
    checkHistories(commit, this.mirror, this.#verdict);
    this.#oneWriter.onCommit(commit);
    this.queue.onCommit(commit);
    this.lists.onCommit(commit);
    this.#files.onCommit(commit);
    this.#spending.onCommit(commit);
    this.#prompts.onCommit(commit);
    this.#tools.onCommit(commit);
    checkForms(commit, this.mirror, this.#verdict);
    checkDecisions(commit, this.#verdict);
  }

  onModelCall(process: SimProcess, request: ModelRequest): void {
    const attempt = this.#prompts.onCall(process, request);
    if (attempt !== null) this.#attempts.set(request, attempt);
  }

  onModelReply(request: ModelRequest, { usage }: ModelReply): void {
    const attempt = this.#attempts.get(request);
    if (attempt !== undefined && usage !== null) this.#spending.onReply(attempt, usage);
  }

  onToolRun(run: ToolRun): void {
    this.#tools.onRun(run);
  }
}
