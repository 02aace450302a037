import { useChatValue, useClient } from "@parley/client/react";
import type { BudgetStanding, Chat, UsageAnswer, UsageTotals } from "@parley/protocol";
import { Gauge } from "lucide-react";
import { Popover } from "radix-ui";
import { useEffect, useState, type ReactNode } from "react";
import { ProgressBar } from "../ui/progress-bar.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { moneyText, tokensText } from "./money.ts";

/** What the chat and its sub-agents have used; read when it is opened. */
export function UsageChip({ chatId }: { chatId: string }): ReactNode {
  const [open, setOpen] = useState(false);
  const shown = useChatValue(chatId, (state) => shortText(state.transcript.chat?.usage));
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        // What can be read is part of what is said.
        aria-label={shown === null ? "Usage" : `Usage: ${shown}`}
        className="inline-flex h-9 shrink-0 items-center gap-1.5 rounded-md px-2.5 text-sm text-ink-muted tabular-nums hover:bg-hover hover:text-ink data-[state=open]:bg-hover"
      >
        <Gauge size={17} aria-hidden />
        {shown !== null && <span className="max-sm:hidden">{shown}</span>}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={6}
          collisionPadding={8}
          className="z-50 w-80 max-w-[calc(100vw-1rem)] animate-rise rounded-lg border border-line bg-surface p-4 text-sm shadow-pop"
        >
          {open && <Usage chatId={chatId} />}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** What it cost, or where no price is known how many tokens it took; null: nothing yet. */
function shortText(usage: Chat["usage"] | undefined): string | null {
  if (usage === undefined || usage.total_tokens === 0) return null;
  const { cost_usd_micros, total_tokens } = usage;
  return cost_usd_micros > 0 ? moneyText(cost_usd_micros) : tokensText(total_tokens);
}

function Usage({ chatId }: { chatId: string }): ReactNode {
  const client = useClient();
  const version = useChatValue(chatId, (state) => state.transcript.chat?.snapshot_version);
  const [usage, setUsage] = useState<UsageAnswer | Error | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    client
      .usage(chatId, { signal: stop.signal })
      .then(setUsage)
      .catch((error: unknown) => {
        if (!stop.signal.aborted)
          setUsage(error instanceof Error ? error : new Error(String(error)));
      });
    return () => stop.abort();
  }, [client, chatId, version]);
  if (usage === null) return <Spinner label="Loading usage" />;
  if (usage instanceof Error) return <p className="text-danger">{reasonOf(usage)}</p>;
  return (
    <div className="space-y-4">
      <Totals title="This chat" totals={usage.own.total} />
      {usage.family.chats > 1 && (
        <Totals title={`With ${usage.family.chats - 1} sub-agents`} totals={usage.family.total} />
      )}
      {usage.budgets.map((budget) => (
        <Budget key={budget.scope} budget={budget} />
      ))}
      {usage.own.models.length > 1 && (
        <ul className="space-y-1 border-t border-line pt-3">
          {usage.own.models.map(({ model, total_tokens }) => (
            <li key={model} className="flex justify-between gap-3">
              <span className="truncate text-ink-muted">{model}</span>
              <span className="tabular-nums">{total_tokens.toLocaleString()}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const scopes: Record<BudgetStanding["scope"], string> = {
  chat: "Budget of this chat",
  family: "Budget with its sub-agents",
  owner: "Your budget",
};

function Budget({ budget: { scope, usd_micros, tokens } }: { budget: BudgetStanding }): ReactNode {
  const lines = [
    { unit: "usd", standing: usd_micros, text: moneyText },
    { unit: "tokens", standing: tokens, text: tokensText },
  ];
  return (
    <section className="border-t border-line pt-3">
      <h2 className="mb-1 font-medium">{scopes[scope]}</h2>
      {lines.map(
        ({ unit, standing, text }) =>
          standing !== null && (
            <label key={unit} className="flex items-center gap-2 text-ink-muted">
              <ProgressBar
                value={standing.spent + standing.reserved}
                max={Math.max(1, standing.limit)}
                className="h-1.5 min-w-0 flex-1"
              />
              <span className="tabular-nums">
                {text(standing.spent)} of {text(standing.limit)}
              </span>
            </label>
          ),
      )}
    </section>
  );
}

function Totals({ title, totals }: { title: string; totals: UsageTotals }): ReactNode {
  const rows: [string, number][] = [
    ["Replies", totals.replies],
    ["Input tokens", totals.input_tokens],
    ["of them cached", totals.cached_input_tokens],
    ["Output tokens", totals.output_tokens],
    ["of them reasoning", totals.reasoning_tokens],
  ];
  const { cost_usd_micros, unpriced_replies } = totals;
  return (
    <section>
      <h2 className="mb-1 font-medium">{title}</h2>
      <dl className="grid grid-cols-[1fr_auto] gap-x-3 gap-y-0.5 text-ink-muted">
        {rows.map(([name, count]) => (
          <div key={name} className="contents">
            <dt className={name.startsWith("of") ? "pl-3" : ""}>{name}</dt>
            <dd className="text-right text-ink tabular-nums">{count.toLocaleString()}</dd>
          </div>
        ))}
        {cost_usd_micros > 0 && (
          <div className="contents">
            <dt>Cost</dt>
            <dd className="text-right text-ink tabular-nums">{moneyText(cost_usd_micros)}</dd>
          </div>
        )}
      </dl>
      {unpriced_replies > 0 && (
        <p className="mt-1 text-xs text-ink-faint">
          {unpriced_replies === totals.replies
            ? "The price is not known."
            : `${unpriced_replies} replies have no known price.`}
        </p>
      )}
    </section>
  );
}
