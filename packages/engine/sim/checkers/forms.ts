import type { StructuredOutputPart } from "@parley/protocol";
import type { CommitImage, MessageImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** How often a reply is sent back in one turn. */
const repairsMax = 2;

/** Replies that were asked for in a form: valid is what is said to be valid, and every other one says what is wrong. */
export function checkForms(commit: CommitImage, mirror: Mirror, verdict: Verdict): void {
  for (const { was, now } of commit.messages.values()) {
    if (was !== null || now === null || now.role !== "assistant" || now.visibility !== "both")
      continue;
    const check = (isTrue: boolean, what: string): void =>
      verdict.check("forms", isTrue, () => `message ${now.id} of ${now.chat_id}: ${what}`);
    const { form } = now;
    if (form !== null) {
      const isRight = fits(form.value);
      check((form.outcome === "valid") === isRight, `${JSON.stringify(form)} says so`);
      check(
        form.outcome === "valid" || (form.errors ?? []).length > 0,
        "nothing is said to be wrong",
      );
      const again = form.repairing === true ? repairsOf(mirror.history(now.chat_id), now) : 0;
      check(again <= repairsMax, `it is sent back for the ${again}th time`);
    }
    if (mustHaveForm(now, mirror))
      check(form !== null, "a form was asked for, and nothing is said of it");
  }
}

/** What actors/acts/forms.ts asks for, said once more, by hand. */
function fits(value: StructuredOutputPart["value"]): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { n, ...rest } = value;
  return Number.isInteger(n) && (n as number) >= 0 && Object.keys(rest).length === 0;
}

function repairsOf(history: readonly MessageImage[], until: MessageImage): number {
  const from = history.findLastIndex(
    ({ id, role, visibility }) => id < until.id && role === "user" && visibility === "both",
  );
  const upTo = history.slice(from + 1).filter(({ id }) => id <= until.id);
  return upTo.filter(({ form }) => form?.repairing === true).length;
}

/** The last word of a turn whose message asked for a form; not after a boundary, which carries copies of what was asked. */
function mustHaveForm(reply: MessageImage, mirror: Mirror): boolean {
  if (reply.finish_reason !== "stop" || (reply.tool_call_ids ?? []).length > 0) return false;
  if (reply.episode === null) return false;
  const turn = mirror.chats.get(reply.chat_id)?.turn_message_id ?? null;
  const since = mirror.history(reply.chat_id).filter(({ id }) => turn !== null && id >= turn);
  if (since.some(({ is_boundary }) => is_boundary)) return false;
  return since.some(({ role, asks, id }) => role === "user" && asks && id < reply.id);
}
