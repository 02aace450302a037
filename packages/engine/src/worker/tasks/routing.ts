import type { ChatRow } from "../../domain/rows.ts";
import { defined } from "../../lib/assert.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { isCompactionDue } from "../compaction/due.ts";
import { tokensInUse } from "../compaction/tokens.ts";
import type { TaskContext } from "./context.ts";
import { modelOf, type Transcript } from "./transcript.ts";

/**
 * Which model an attempt calls. All that is needed to know it is on the row and in history, so that whoever takes the
 * chat over goes on with the same one: what was asked for; by attempt, what stood in for it (`attempt_models`); while a
 * retry is waited for, what comes next (`retry_state`); and what wrote the turn's newest reply.
 */

type Context = Pick<Transcript, "context">;
type Deps = Pick<TaskContext, "models" | "compaction">;

/** The model of an attempt of the row's history version; without `attempt`, of the newest. */
export function calledModel(
  row: ChatRow,
  transcript: Context,
  attempt = row.generation_attempt,
): string {
  return row.attempt_models?.[String(attempt)] ?? modelOf(row, transcript).model;
}

/** How many attempts in a row have called the model of the newest one, it included. */
export function triesOf(row: ChatRow, transcript: Context): number {
  const model = calledModel(row, transcript);
  let tries = 0;
  for (let attempt = row.generation_attempt; attempt > 0; attempt--) {
    if (calledModel(row, transcript, attempt) !== model) break;
    tries += 1;
  }
  return tries;
}

/** What was asked for, then the models that can stand in for it: known here, and the conversation fits into them. */
export function replyModels(deps: Deps, row: ChatRow, transcript: Context): readonly string[] {
  const asked = modelOf(row, transcript).model;
  const named = row.fallback_models ?? deps.models.info(asked)?.fallback_models ?? [];
  const others = new Set(named.filter((model) => model !== asked));
  return [asked, ...[...others].filter((model) => canStandIn(deps, row, transcript, model))];
}

/** Those that may write a summary: the one that is configured for it, then those that may reply. */
function summaryModels(deps: Deps, row: ChatRow, transcript: Context): readonly string[] {
  const { model } = deps.compaction;
  const own = replyModels(deps, row, transcript);
  if (model === null || !deps.models.has(model)) return own;
  return [model, ...own.filter((each) => each !== model)];
}

function canStandIn(
  { models, compaction }: Deps,
  { client_tools }: ChatRow,
  { context }: Context,
  model: string,
): boolean {
  const info = models.info(model);
  if (info === null) return false;
  const { context_window_tokens: window, capabilities } = info;
  const callsTools =
    client_tools.length > 0 ||
    context.some(({ parts }) => parts.some(({ type }) => type === "tool-call"));
  if (callsTools && capabilities.tools === false) return false;
  if (window === null) return true;
  // One that the conversation would have to be cut down for is no help.
  const { percent } = compaction;
  return tokensInUse(context) < window && !isCompactionDue(context, window, percent);
}

/** The model of the reply that comes next. */
export function nextReplyModel(deps: Deps, bundle: Bundle, transcript: Transcript): string {
  const row = rowBefore(bundle);
  const chain = replyModels(deps, row, transcript);
  const tried = row.history_version === transcript.history_version ? triedBefore(row) : [];
  // A turn stays with what stood in; the next turn begins with what was asked for.
  const found = [...tried, writerOf(transcript)].find((model) => chain.includes(model ?? ""));
  return found ?? modelOf(row, transcript).model;
}

/** The model of the summary that comes next. */
export function nextSummaryModel(deps: Deps, bundle: Bundle, transcript: Transcript): string {
  const row = rowBefore(bundle);
  const chain = summaryModels(deps, row, transcript);
  const { next_model: next } = row.retry_state ?? {};
  const isCurrent = row.history_version === transcript.history_version;
  if (isCurrent && next !== undefined && chain.includes(next)) return next;
  const { model } = deps.compaction;
  return model !== null && chain[0] === model ? model : nextReplyModel(deps, bundle, transcript);
}

/** To be called in the bundle that records the attempt, before it does: one statement more where another model stands in. */
export async function recordModel(
  bundle: Bundle,
  transcript: Transcript,
  model: string,
): Promise<void> {
  const row = rowBefore(bundle);
  const isCurrent = row.history_version === transcript.history_version;
  if (model === modelOf(row, transcript).model) return;
  const attempt = (isCurrent ? row.generation_attempt : 0) + 1;
  const before = isCurrent ? row.attempt_models : null;
  await bundle.set({ attempt_models: { ...before, [attempt]: model } });
}

/** The model that reads what the turn's tools say, as far as it is known now. */
export function readerOf(deps: Deps, row: ChatRow, transcript: Context): string {
  const writer = writerOf(transcript);
  const chain = replyModels(deps, row, transcript);
  return writer !== null && chain.includes(writer) ? writer : modelOf(row, transcript).model;
}

function triedBefore({ retry_state, attempt_models, generation_attempt }: ChatRow) {
  return [retry_state?.next_model, attempt_models?.[String(generation_attempt)]];
}

/** What wrote the newest reply since the user's last message. */
function writerOf({ context }: Context): string | null {
  const asked = context.findLastIndex(({ role }) => role === "user");
  return context.slice(asked + 1).findLast(({ role }) => role === "assistant")?.model ?? null;
}

function rowBefore(bundle: Bundle): ChatRow {
  return defined(bundle.before, "the row before the bundle");
}
