import type { Usage } from "@parley/protocol";
import { costOf, type Price } from "../../src/domain/price.ts";
import type { LimitImage, ReservationImage } from "./belongings.ts";
import type { ChatImage, CommitImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** What the deployment itself allows, and what models cost in it. */
export interface SpendingRules {
  readonly prices: Readonly<Record<string, Price>>;
  readonly standing: Readonly<Partial<Record<Scope, LimitImage>>>;
}

type Scope = "chat" | "family" | "owner";
type Unit = "tokens" | "usd_micros";
const units: readonly Unit[] = ["tokens", "usd_micros"];

/** Spending: what models have reported is what is counted, and no call begins that a budget has no room for. */
export class SpendingChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  readonly #rules: SpendingRules;
  /** What models have said of attempts. */
  readonly #reported = new Map<string, Usage>();
  /** The newest that was reserved for a chat. */
  readonly #reserved = new Map<string, ReservationImage>();

  constructor(mirror: Mirror, verdict: Verdict, rules: SpendingRules) {
    this.#mirror = mirror;
    this.#verdict = verdict;
    this.#rules = rules;
  }

  onReply(attempt: string, usage: Usage): void {
    this.#reported.set(attempt, usage);
  }

  /** What somebody was told that a chat has used. */
  told(chatId: string, tokens: number, usdMicros: number): void {
    const chat = this.#mirror.chats.get(chatId);
    if (chat === undefined) return;
    const isTrue = tokens <= chat.usage_total_tokens && usdMicros <= chat.usage_cost_usd_micros;
    this.#check(isTrue, () => `${chatId} has used less than the ${tokens} that were told`);
  }

  onCommit(commit: CommitImage): void {
    for (const [id, { was, now }] of commit.chats)
      if (now !== null) this.#sums(id, was, now, commit);
    this.#replies(commit);
    for (const { table, op, row } of commit.committed.changes) {
      if (table !== "spend_reservations" || op === "DELETE") continue;
      const reservation = row as unknown as ReservationImage;
      this.#reserved.set(reservation.chat_id, reservation);
      this.#room(reservation);
    }
  }

  /** A chat's counters are the sum of what its messages say, and of its calls that left none. */
  #sums(id: string, was: ChatImage | null, now: ChatImage, commit: CommitImage): void {
    const charged = [...commit.messages.values()].flatMap(({ was: before, now: row }) =>
      before === null && row?.chat_id === id && row.usage !== null && row.episode !== null
        ? [row.usage]
        : [],
    );
    const tokens = now.usage_total_tokens - (was?.usage_total_tokens ?? 0);
    const cost = now.usage_cost_usd_micros - (was?.usage_cost_usd_micros ?? 0);
    const apart = commit.committed.statements.includes("usage_totals.charge");
    const said = charged.reduce((sum, usage) => sum + totalOf(usage), 0);
    const paid = charged.reduce((sum, usage) => sum + (usage.cost_usd_micros ?? 0), 0);
    const isSum = apart ? tokens >= said && cost >= paid : tokens === said && cost === paid;
    this.#check(
      isSum,
      () => `chat ${id}: ${tokens} tokens, $${cost} were added for ${said}, $${paid}`,
    );
    const totals = this.#usage(({ chat_id }) => chat_id === id);
    this.#check(
      totals.tokens === now.usage_total_tokens && totals.usd_micros === now.usage_cost_usd_micros,
      () => `chat ${id} has used ${now.usage_total_tokens}, and its totals are ${totals.tokens}`,
    );
  }

  #replies(commit: CommitImage): void {
    for (const { was, now } of commit.messages.values()) {
      if (was !== null || now === null || now.usage === null || now.episode === null) continue;
      const { usage, episode, chat_id, model } = now;
      const price = this.#rules.prices[model ?? ""];
      const cost = price === undefined ? undefined : costOf(usage, price);
      this.#check(
        usage.cost_usd_micros === cost,
        () => `message ${now.id} of ${model} cost ${usage.cost_usd_micros}, which is ${cost}`,
      );
      const name = `${chat_id} ${episode.history_version}/${episode.generation_attempt}`;
      const reported = this.#reported.get(name);
      if (now.finish_reason === "interrupted" || reported === undefined) continue;
      this.#check(
        totalOf(reported) === totalOf(usage),
        () =>
          `message ${now.id} used ${totalOf(usage)} tokens; its model said ${totalOf(reported)}`,
      );
      const held = this.#reserved.get(chat_id);
      if (
        held?.history_version !== episode.history_version ||
        held.generation_attempt !== episode.generation_attempt
      ) {
        continue;
      }
      this.#check(
        totalOf(usage) <= held.tokens,
        () =>
          `message ${now.id} used ${JSON.stringify(usage)}, and ${held.tokens} were reserved for ${name}`,
      );
    }
  }

  /** What is spent and reserved together is within every budget, from the moment at which it is reserved. */
  #room(wanted: ReservationImage): void {
    const { chats, belongings } = this.#mirror;
    const chat = chats.get(wanted.chat_id);
    const root = chats.get(wanted.root_chat_id);
    if (chat === undefined || root === undefined) return;
    const { standing } = this.#rules;
    const scopes: readonly (readonly [Scope, LimitImage | null, (row: Owned) => boolean])[] = [
      ["chat", lower(chat.budget, standing.chat), (row) => row.chat_id === chat.id],
      ["family", lower(root.family_budget, standing.family), (row) => row.root_chat_id === root.id],
      [
        "owner",
        belongings.ownerBudgets.get(chat.owner_id) ?? standing.owner ?? null,
        (row) => row.owner_id === chat.owner_id,
      ],
    ];
    for (const [scope, limit, isOf] of scopes) {
      if (limit === null) continue;
      const spent = this.#usage(isOf);
      const flying = [...belongings.reservations.values()].filter(
        (row) => isOf(row) && (row.chat_id === chat.id || this.#counts(row)),
      );
      for (const unit of units) {
        const most = limit[unit];
        if (most === null) continue;
        const all = spent[unit] + flying.reduce((sum, row) => sum + row[unit], 0);
        this.#check(
          all <= most,
          () => `${scope} of ${chat.id}: ${all} ${unit} of ${most} are taken`,
        );
      }
    }
  }

  #counts(row: ReservationImage): boolean {
    const chat = this.#mirror.chats.get(row.chat_id);
    return (
      chat !== undefined &&
      chat.history_version === row.history_version &&
      chat.generation_attempt === row.generation_attempt &&
      (chat.status === "running" || chat.status === "interrupting") &&
      chat.retry_state === null
    );
  }

  #usage(isOf: (row: Owned) => boolean): Record<Unit, number> {
    const rows = [...this.#mirror.belongings.usage.values()].filter(isOf);
    return {
      tokens: rows.reduce((sum, row) => sum + row.total_tokens, 0),
      usd_micros: rows.reduce((sum, row) => sum + row.cost_usd_micros, 0),
    };
  }

  #check(isTrue: boolean, message: () => string): void {
    this.#verdict.check("spending", isTrue, message);
  }
}

interface Owned {
  readonly chat_id: string;
  readonly root_chat_id: string;
  readonly owner_id: string;
}

function totalOf({ total_tokens, input_tokens, output_tokens }: Usage): number {
  return Math.max(total_tokens ?? 0, (input_tokens ?? 0) + (output_tokens ?? 0));
}

/** Of two limits what both allow. */
function lower(one: LimitImage | null, other: LimitImage | undefined): LimitImage | null {
  if (one === null || other === undefined) return one ?? other ?? null;
  const of = (unit: Unit): number | null => {
    const both = [one[unit], other[unit]].filter((limit) => limit !== null);
    return both.length === 0 ? null : Math.min(...both);
  };
  return { tokens: of("tokens"), usd_micros: of("usd_micros") };
}
