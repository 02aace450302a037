import type { PendingMessage, Preview, Transcript } from "@parley/client";
import type { EpisodeName, Json, Message, Part, ToolResultPart } from "@parley/protocol";
import { isObject } from "./parts/json.ts";

/** How far a tool call is, as far as the screen knows. */
export interface CallOutcome {
  readonly result: ToolResultPart | null;
  /** What the running tool last said of itself. */
  readonly progress: Json | null;
}

/** One row of the conversation. Values that show the same thing are the same object. */
export type Row =
  | { readonly kind: "user"; readonly key: string; readonly message: Message }
  | {
      readonly kind: "assistant";
      /** The same while it is generated and when it is committed, so that it stays in its place. */
      readonly key: string;
      readonly parts: readonly Part[];
      /** Null while it is generated. */
      readonly message: Message | null;
      readonly outcomes: ReadonlyMap<string, CallOutcome>;
      /** The last step of a turn: what belongs to a whole reply is shown here. */
      readonly isLast: boolean;
    }
  | {
      readonly kind: "compaction";
      readonly key: string;
      readonly reason: string;
      /** Null while it runs. */
      readonly summary: string | null;
      readonly chars: number;
    }
  | { readonly kind: "marker"; readonly key: string; readonly text: string }
  | { readonly kind: "pending"; readonly key: string; readonly pending: PendingMessage };

/** The tool under whose name people see a compaction. */
const compactionTool = "compact_context";

/**
 * Turns a transcript into rows. One instance for each chat on the screen: it remembers the rows of finished
 * messages, so that a part that arrives makes one new row and leaves the others as they are.
 */
export class Timeline {
  #committed: {
    messages: readonly Message[];
    preview: Preview | null;
    rows: readonly Row[];
  } | null = null;
  #rows = new Map<string, Row>();
  #last: {
    messages: readonly Message[];
    preview: Preview | null;
    pending: readonly PendingMessage[];
    rows: readonly Row[];
  } | null = null;

  /** The same list for the same input: it may be asked for as often as one likes. */
  rowsOf(
    { messages, preview }: Pick<Transcript, "messages" | "preview">,
    pending: readonly PendingMessage[],
  ): readonly Row[] {
    const last = this.#last;
    if (last !== null && last.messages === messages && last.preview === preview) {
      if (last.pending === pending) return last.rows;
    }
    const rows = this.#allRows(messages, preview, pending);
    this.#last = { messages, preview, pending, rows };
    return rows;
  }

  #allRows(
    messages: readonly Message[],
    preview: Preview | null,
    pending: readonly PendingMessage[],
  ): readonly Row[] {
    const runsTools = preview !== null && isOfTools(preview);
    const committed = this.#committedRows(messages, runsTools ? preview : null);
    const live = preview === null || runsTools ? null : previewRow(preview);
    const sending = pending.filter((each) => !isForQueue(each));
    if (live === null && sending.length === 0) return committed;
    return [...committed, ...(live === null ? [] : [live]), ...sending.map(pendingRow)];
  }

  #committedRows(messages: readonly Message[], preview: Preview | null): readonly Row[] {
    const known = this.#committed;
    if (known !== null && known.messages === messages && known.preview === preview) {
      return known.rows;
    }
    const rows = new Map<string, Row>();
    const results = resultsIn(messages);
    for (const [at, message] of messages.entries()) {
      const row = rowOf(message, results, preview, messages[at + 1]);
      if (row === null) continue;
      const held = this.#rows.get(row.key);
      rows.set(row.key, held !== undefined && showsSame(held, row) ? held : row);
    }
    this.#rows = rows;
    this.#committed = { messages, preview, rows: [...rows.values()] };
    return this.#committed.rows;
  }
}

/** While tools run, a preview has their results and progress; those are shown in the calls' own places. */
function isOfTools({ parts, progress }: Preview): boolean {
  if (Object.values(progress).some(isCompactionProgress)) return false;
  const hasProgress = Object.keys(progress).length > 0;
  if (parts.length === 0) return hasProgress;
  return parts.every((part) => part.type === "tool-result" && part.provider_executed !== true);
}

function resultsIn(
  messages: readonly Pick<Message, "role" | "parts">[],
): ReadonlyMap<string, ToolResultPart> {
  const results = new Map<string, ToolResultPart>();
  for (const { role, parts } of messages) {
    if (role !== "tool" && role !== "assistant") continue;
    for (const part of parts) if (part.type === "tool-result") results.set(part.tool_call_id, part);
  }
  return results;
}

function rowOf(
  message: Message,
  results: ReadonlyMap<string, ToolResultPart>,
  preview: Preview | null,
  next: Message | undefined,
): Row | null {
  const key = String(message.id);
  switch (message.role) {
    case "user":
      return { kind: "user", key, message };
    case "system":
      return { kind: "marker", key, text: textOf(message.parts) };
    case "tool":
      return null;
    case "assistant": {
      const episode = message.episode === null ? key : episodeKey(message.episode);
      const call = message.parts.find((part) => part.type === "tool-call");
      if (call?.tool_name === compactionTool) {
        const output = results.get(call.tool_call_id)?.output;
        const summary = typeof output === "string" ? output : "";
        const reason = reasonOf(call.input);
        return { kind: "compaction", key: episode, reason, summary, chars: summary.length };
      }
      const { parts } = message;
      const outcomes = outcomesOf(parts, results, preview);
      const isLast = next === undefined ? preview === null : next.role === "user";
      return { kind: "assistant", key: episode, parts, message, outcomes, isLast };
    }
    default:
      return message.role satisfies never;
  }
}

function outcomesOf(
  parts: readonly Part[],
  results: ReadonlyMap<string, ToolResultPart>,
  preview: Preview | null,
): ReadonlyMap<string, CallOutcome> {
  const outcomes = new Map<string, CallOutcome>();
  for (const part of parts) {
    if (part.type !== "tool-call") continue;
    const id = part.tool_call_id;
    const live = preview?.parts.find((p) => p.type === "tool-result" && p.tool_call_id === id);
    const result = results.get(id) ?? (live?.type === "tool-result" ? live : null);
    outcomes.set(id, { result, progress: preview?.progress[id] ?? null });
  }
  return outcomes;
}

function previewRow(preview: Preview): Row | null {
  const key = episodeKey(preview);
  const compaction = Object.values(preview.progress).find(isCompactionProgress);
  if (compaction !== undefined) {
    const { reason, chars } = compaction;
    return {
      kind: "compaction",
      key,
      reason: typeof reason === "string" ? reason : "asked",
      summary: null,
      chars: Number(chars) || 0,
    };
  }
  const { parts } = preview;
  if (parts.length === 0) return null;
  const outcomes = outcomesOf(
    parts,
    resultsIn([{ role: "assistant", parts: [...parts] }]),
    preview,
  );
  return { kind: "assistant", key, parts, message: null, outcomes, isLast: false };
}

function episodeKey({ history_version, generation_attempt }: EpisodeName): string {
  return `e${history_version}.${generation_attempt}`;
}

/** It was sent to wait: its place is the queue. */
export function isForQueue({ when_busy }: Pick<PendingMessage, "when_busy">): boolean {
  return when_busy === "queue" || when_busy === "steer";
}

function pendingRow(pending: PendingMessage): Row {
  return { kind: "pending", key: `pending-${pending.client_id}`, pending };
}

function isCompactionProgress(progress: Json): progress is { [key: string]: Json } {
  return isObject(progress) && progress["tool_name"] === compactionTool;
}

function reasonOf(input: Json): string {
  return isObject(input) && typeof input["reason"] === "string" ? input["reason"] : "asked";
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

function showsSame(a: Row, b: Row): boolean {
  if (a.kind === "user" && b.kind === "user") return a.message === b.message;
  if (a.kind === "assistant" && b.kind === "assistant") {
    return a.message === b.message && a.isLast === b.isLast && sameOutcomes(a.outcomes, b.outcomes);
  }
  if (a.kind === "compaction" && b.kind === "compaction") return a.summary === b.summary;
  return a.kind === "marker" && b.kind === "marker" && a.text === b.text;
}

function sameOutcomes(
  a: ReadonlyMap<string, CallOutcome>,
  b: ReadonlyMap<string, CallOutcome>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [id, { result, progress }] of a) {
    const other = b.get(id);
    if (other === undefined || other.result !== result || other.progress !== progress) return false;
  }
  return true;
}
