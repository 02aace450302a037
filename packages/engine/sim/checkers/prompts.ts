import type { Part } from "@parley/protocol";
import type { ModelRequest } from "../../src/models/model-port.ts";
import type { SimProcess } from "../process.ts";
import type { CommitImage, MessageImage, Mirror } from "./mirror.ts";
import { saidOf } from "./said.ts";
import type { Verdict } from "./verdict.ts";

/** Histories of attempts that a process may still be about to call a model with. */
const attemptsKept = 200;

interface Attempt {
  readonly name: string;
  readonly history: readonly string[];
}

/**
 * What a model is given is what the committed history says, at the version for which its process has recorded the
 * attempt: in order, nothing twice, nothing that was edited away, nothing from before the newest boundary.
 */
export class PromptChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  readonly #attempts = new Map<string, Attempt[]>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  onCommit(commit: CommitImage): void {
    for (const [id, { was, now }] of commit.chats) {
      if (now === null || now.generation_attempt === 0 || now.status !== "running") continue;
      const isNew =
        was?.generation_attempt !== now.generation_attempt ||
        was.history_version !== now.history_version;
      if (!isNew) continue;
      const { name } = commit.committed.process;
      const attempts = this.#attempts.get(name) ?? [];
      this.#attempts.set(name, attempts);
      attempts.push({
        name: `${id} ${now.history_version}/${now.generation_attempt}`,
        history: contextOf(this.#mirror.history(id)),
      });
      if (attempts.length > attemptsKept) attempts.shift();
    }
  }

  /** @returns the attempt that the call was made for, where it is known. */
  onCall(process: SimProcess, { purpose, messages }: ModelRequest): string | null {
    // A summary's prompt is the context as text; titles have one of their own.
    if (purpose !== undefined) return null;
    const given = messages.map(({ role, parts }) => `${role}: ${saidOf(parts.map(unread))}`);
    const attempts = this.#attempts.get(process.name) ?? [];
    const at = attempts.findLastIndex(({ history }) => isSame(history, given));
    this.#verdict.check("prompts", at >= 0, () => complaint(process.name, attempts, given));
    // One attempt is one call.
    return at < 0 ? null : (attempts.splice(at, 1)[0]?.name ?? null);
  }
}

/** A file is given as its bytes, or as words in its place. */
function unread(part: Part): Part {
  if (part.type !== "text" || !part.text.startsWith('[file "')) return part;
  return { type: "file", media_type: "", filename: "" };
}

function contextOf(history: readonly MessageImage[]): string[] {
  const seen = history.filter(({ visibility }) => visibility !== "user");
  const from = seen.findLastIndex(({ is_boundary }) => is_boundary);
  return seen.slice(Math.max(0, from)).map(({ role, said }) => `${role}: ${said ?? ""}`);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, i) => line === other[i]);
}

/** What is nearest to it, and where they part. */
function complaint(
  process: string,
  attempts: readonly Attempt[],
  given: readonly string[],
): string {
  const near = attempts
    .map((attempt) => ({ ...attempt, at: attempt.history.findIndex((l, i) => l !== given[i]) }))
    .map((attempt) => ({ ...attempt, at: attempt.at < 0 ? attempt.history.length : attempt.at }))
    .reduce<{ name: string; at: number; history: readonly string[] } | null>(
      (best, one) => (best === null || one.at >= best.at ? one : best),
      null,
    );
  if (near === null) return `${process} called a model before it had recorded any attempt`;
  const { name, at, history } = near;
  return (
    `${process} gave a model ${given.length} messages that no attempt of its own has; ${name} has ${history.length}, ` +
    `and message ${at} is [${history[at] ?? "none"}] there, and was given as [${given[at] ?? "none"}]`
  );
}
