import type { ReplicasAnswer } from "@parley/protocol";
import type { ReactNode } from "react";
import { Meter } from "./meter.tsx";
import { Panel } from "./panel.tsx";
import { lasting, plural } from "./wording.ts";

/** What there is room for, and what waits because there is none. */
export function BacklogPanel({
  replicas,
  backlog,
  slots,
}: Omit<ReplicasAnswer, "chats">): ReactNode {
  const takers = replicas.filter(({ state }) => state === "alive");
  const capacity = takers.reduce((sum, one) => sum + one.capacity, 0);
  const working = takers.reduce((sum, one) => sum + one.working, 0);
  const waiting = backlog.waiting.capacity + backlog.waiting.no_worker;
  return (
    <Panel
      title="Queue and capacity"
      figure={waiting === 0 ? "nobody waits" : `${plural(waiting, "chat")} waiting`}
    >
      <div className="space-y-3">
        <Meter label="Room on the servers that take chats" used={working} max={capacity} />
        {slots.root.max !== null && (
          <Meter label="Limit on chats at work" used={slots.root.used} max={slots.root.max} />
        )}
        {(slots.sub_agent.max !== null || slots.sub_agent.used > 0) && (
          <Meter label="Sub-agents at work" used={slots.sub_agent.used} max={slots.sub_agent.max} />
        )}
      </div>
      <dl className="mt-4 grid grid-cols-2 gap-x-6 gap-y-2 text-sm">
        <Figure text="Wait for room" value={String(backlog.waiting.capacity)} />
        <Figure text="Wait for a server" value={String(backlog.waiting.no_worker)} />
        <Figure
          text="Longest without a server"
          value={backlog.oldest_ms === null ? "–" : lasting(backlog.oldest_ms)}
        />
        <Figure text="Messages in queues" value={String(backlog.queued_messages)} />
      </dl>
    </Panel>
  );
}

function Figure({ text, value }: { text: string; value: string }): ReactNode {
  return (
    <div className="flex items-baseline justify-between gap-2">
      <dt className="text-ink-muted">{text}</dt>
      <dd className="font-medium whitespace-nowrap tabular-nums">{value}</dd>
    </div>
  );
}
