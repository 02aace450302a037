import type { BudgetStanding, Usage } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import { ChatNotFound } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { noStandingBudgets, type SpendPolicy } from "../domain/spending.ts";
import { linked } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { Scope } from "../lib/scope.ts";
import type { Machine } from "../machine/machine.ts";
import type { ModelPort } from "../models/model-port.ts";
import { readChat } from "../store/chats.ts";
import { chargeCall, readStandings } from "../store/spending.ts";
import { claimTitle, readOpening, releaseTitle, type Opening } from "../store/titles.ts";
import { titleRequest } from "./request.ts";
import { fallbackTitle, titleFrom } from "./text.ts";

/** Titles that are made at a time; they are cheap, and nobody waits for them. */
const makingMax = 4;
/** Chats that wait for one. What is beyond them stays untitled until its next turn. */
const waitingMax = 200;
/** A model that has not said a few words by then has its chat named by its first words. Less than a claim lasts. */
const callMs = 30_000;

export interface TitleDeps {
  readonly machine: Machine;
  readonly models: Pick<ModelPort, "has" | "stream">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `provider/model` that is asked; null: the chat's own. `off`: chats are named by people. */
  readonly model: string | null;
  /** Adds what a call has cost. */
  readonly priced?: (model: string, usage: Usage) => Usage;
  /** The budgets that the deployment holds its calls to. Default: none but those that people set. */
  readonly policy?: SpendPolicy;
}

interface Wish {
  readonly chatId: string;
  readonly turnMessageId: number;
  /** The title that is there, and may be replaced. */
  readonly before: string | null;
  readonly anew: boolean;
}

/**
 * Names chats in the background: once, after the first turn that was answered, by one call of a model. A title that a person
 * gives meanwhile wins. Where the model has none, the first words stand; so nothing is tried for ever. What a crash takes
 * away is made up for after the next turn.
 */
export class Titles {
  readonly #deps: TitleDeps;
  readonly #scope: Scope;
  readonly #waiting = new Map<string, Wish>();
  #making = 0;

  constructor(deps: TitleDeps) {
    this.#deps = deps;
    this.#scope = new Scope((err, label) => deps.logger.warn({ err, label }, "no title was made"));
  }

  get enabled(): boolean {
    return this.#deps.model !== "off";
  }

  async stop(): Promise<void> {
    this.#waiting.clear();
    await this.#scope.stop();
  }

  onCommits(commits: readonly Commit[]): void {
    if (!this.enabled) return;
    for (const commit of commits) {
      const turn = answeredTurn(commit);
      if (turn === null) continue;
      const { id: chatId } = commit.chat;
      this.#add({ chatId, turnMessageId: turn, before: null, anew: false });
    }
  }

  /** A person wants another title. It is made in the background, like the first. */
  make({ id: chatId, title: before, turn_message_id }: ChatRow): void {
    this.#add({ chatId, turnMessageId: turn_message_id ?? 0, before, anew: true });
  }

  #add(wish: Wish): void {
    if (this.#waiting.size >= waitingMax) return;
    this.#waiting.set(wish.chatId, wish);
    this.#next();
  }

  #next(): void {
    while (this.#making < makingMax) {
      const [wish] = this.#waiting.values();
      if (wish === undefined || this.#scope.signal.aborted) return;
      this.#waiting.delete(wish.chatId);
      this.#making += 1;
      void this.#scope
        .run("title", async (signal) => await this.#fulfil(wish, signal))
        .finally(() => {
          this.#making -= 1;
          this.#next();
        });
    }
  }

  async #fulfil(wish: Wish, signal: AbortSignal): Promise<void> {
    const { machine } = this.#deps;
    const { chatId, turnMessageId, anew } = wish;
    const mine = await machine.transaction(
      async ({ tx }) => await claimTitle(tx, chatId, turnMessageId, anew),
      "titles.claim",
    );
    if (!mine || signal.aborted) return;
    const { policy = noStandingBudgets } = this.#deps;
    const [chat, opening, standings] = await machine.read(
      async (tx) =>
        await Promise.all([
          readChat(tx, chatId),
          readOpening(tx, chatId),
          readStandings(tx, chatId, policy),
        ]),
      "titles.read",
    );
    if (chat === undefined) return;
    const said = standings.some(isUsedUp)
      ? nothingSaid
      : await this.#ask(opening, chat.model, signal);
    if (signal.aborted) return;
    const other = anew ? null : fallbackTitle(opening.asked);
    await this.#write(wish, said.title ?? other, said);
  }

  /** Never throws: what goes wrong here is worth a line in the log and no more. */
  async #ask(opening: Opening, chatModel: string, stop: AbortSignal): Promise<Said> {
    const { models, clock, logger, model: configured } = this.#deps;
    const model = configured !== null && models.has(configured) ? configured : chatModel;
    if (opening.asked === "" || !models.has(model)) return nothingSaid;
    using abort = linked(stop);
    const timer = clock.timer(callMs, "titles.call", () => abort.abort(new Error("too slow")));
    try {
      const reply = await models.stream(titleRequest(opening, model, abort.signal), () => {});
      const text = reply.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
      const charged = reply.usage && { model: reply.model, usage: reply.usage };
      return { title: titleFrom(text.join("")), charged };
    } catch (err) {
      if (!stop.aborted) logger.warn({ err, model }, "a model made no title");
      return nothingSaid;
    } finally {
      timer.cancel();
    }
  }

  async #write(
    { chatId, before }: Wish,
    title: string | null,
    { charged }: Pick<Said, "charged">,
  ): Promise<void> {
    const { machine, priced = (_, usage) => usage } = this.#deps;
    try {
      await machine.lock(
        chatId,
        async (chat, transaction) => {
          const { tx } = transaction;
          if (charged) {
            const { model, usage } = charged;
            await chargeCall(tx, chatId, model, priced(model, usage));
          }
          // Where it is another one, a person was faster: his stays.
          if (chat.title === before && title !== null) await transaction.patch(chatId, { title });
          await releaseTitle(tx, chatId);
        },
        "titles.write",
      );
    } catch (error) {
      if (!(error instanceof ChatNotFound)) throw error;
    }
  }
}

interface Said {
  readonly title: string | null;
  readonly charged: { readonly model: string; readonly usage: Usage } | null;
}

const nothingSaid: Said = { title: null, charged: null };

/** A title costs next to nothing, so nothing is reserved for it; but where nothing is left, there is none from a model. */
function isUsedUp({ usd_micros, tokens }: BudgetStanding): boolean {
  return [usd_micros, tokens].some(
    (standing) => standing !== null && standing.spent + standing.reserved >= standing.limit,
  );
}

/** The turn that a commit has ended with an answer, of a chat that has no title and is nobody's sub-agent; or null. */
function answeredTurn({ chat, before, deleted, messages }: Commit): number | null {
  if (deleted || before === null || chat.title !== null || chat.parent_chat_id !== null)
    return null;
  if (before.status !== "running" || before.turn_message_id === null) return null;
  const isOver =
    chat.status === "waiting" ||
    (chat.status === "running" && chat.turn_message_id !== before.turn_message_id);
  const isAnswered = messages.some(
    ({ role, visibility, parts }) =>
      role === "assistant" && visibility === "both" && parts.some(({ type }) => type === "text"),
  );
  return isOver && isAnswered ? before.turn_message_id : null;
}
