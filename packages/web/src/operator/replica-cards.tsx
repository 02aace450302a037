import type { DrivenChat, ReplicaInfo, ReplicaState } from "@parley/protocol";
import { clsx } from "clsx";
import { useState, type ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DrainDialog } from "./drain-dialog.tsx";
import { Meter } from "./meter.tsx";
import { plotColour } from "./plots/colours.ts";
import { nameOf } from "./replica-name.ts";
import { lasting, plural, shortId } from "./wording.ts";

export interface ReplicaCardsProps {
  replicas: readonly ReplicaInfo[];
  onChat: (chatId: string) => void;
  onChanged: () => void;
}

export function ReplicaCards({ replicas, onChat, onChanged }: ReplicaCardsProps): ReactNode {
  const [draining, setDraining] = useState<ReplicaInfo | null>(null);
  if (replicas.length === 0) {
    return (
      <p className="rounded-lg border border-dashed border-line-strong p-6 text-sm text-ink-muted">
        No server takes chats: those that run have PARLEY_CAPACITY=0, and serve pages and the API
        alone. Start one with room for chats, on the same database.
      </p>
    );
  }
  const others = replicas.filter(({ id, state }) => state === "alive" && id !== draining?.id);
  return (
    <>
      <ul className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
        {replicas.map((replica, colour) => (
          <li key={replica.id} className="min-w-0">
            <ReplicaCard
              replica={replica}
              colour={colour}
              onChat={onChat}
              onDrain={() => setDraining(replica)}
            />
          </li>
        ))}
      </ul>
      {draining !== null && (
        <DrainDialog
          replica={draining}
          isLast={others.length === 0}
          onDrained={onChanged}
          onClose={() => setDraining(null)}
        />
      )}
    </>
  );
}

const looks: Record<ReplicaState, { text: string; badge: "ok" | "warn" | "danger" }> = {
  alive: { text: "Taking chats", badge: "ok" },
  draining: { text: "Draining", badge: "warn" },
  dead: { text: "Dead", badge: "danger" },
};

interface CardProps {
  replica: ReplicaInfo;
  colour: number;
  onChat: (chatId: string) => void;
  onDrain: () => void;
}

function ReplicaCard({ replica, colour, onChat, onDrain }: CardProps): ReactNode {
  const { id, answers, version, state, beat_ms: beatMs, capacity, working, owned, chats } = replica;
  const isDrained = state === "draining" && owned === 0;
  const { text, badge } = looks[state];
  const name = nameOf(replica);
  return (
    <article
      aria-label={name}
      className="flex h-full flex-col rounded-lg border border-line bg-surface p-5 shadow-card"
    >
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h3 className="flex items-center gap-2 font-semibold">
            <span
              aria-hidden="true"
              className="size-2.5 shrink-0 rounded-full"
              style={{ background: plotColour(colour) }}
            />
            <span className="truncate">{name}</span>
          </h3>
          <p className="mt-0.5 text-xs text-ink-muted">
            <span className="font-mono">{shortId(id)}</span> · version {version}
          </p>
        </div>
        <Badge look={badge}>{isDrained ? "Drained" : text}</Badge>
      </div>
      <p className="mt-3 text-sm text-ink-muted">
        {lifeOf(replica)}
        {answers && " · answers this page"}
      </p>
      <div className="mt-4">
        <Meter label="Chats at work" used={working} max={capacity} />
      </div>
      <div className="mt-4 flex-1">
        {chats.length === 0 ? (
          <p className="text-sm text-ink-muted">
            {state === "alive" ? "Nothing to do at the moment." : "Every chat was handed over."}
          </p>
        ) : (
          <DrivenChats chats={chats} owned={owned} onChat={onChat} />
        )}
      </div>
      {state === "alive" && (
        <div className="mt-4 flex items-center justify-between gap-3 border-t border-line pt-3.5">
          <p className="text-xs text-ink-muted tabular-nums">beat {lasting(beatMs)} ago</p>
          <Button size="sm" onClick={onDrain} aria-label={`Drain ${name}`}>
            Drain …
          </Button>
        </div>
      )}
    </article>
  );
}

function lifeOf({ state, started_at: at, beat_ms: beatMs, owned }: ReplicaInfo): string {
  if (state === "dead") return `No beat for ${lasting(beatMs)}. Others take its chats over.`;
  if (state === "alive") return `Up for ${lasting(Math.max(0, Date.now() - Date.parse(at)))}`;
  return owned === 0
    ? "It takes no chats any more, and can be stopped."
    : `It takes no chats any more, and hands over ${plural(owned, "chat")}.`;
}

const dots: Record<DrivenChat["status"], { text: string; className: string }> = {
  running: { text: "working", className: "bg-accent" },
  interrupting: { text: "stopping", className: "bg-ink-faint" },
  requires_action: { text: "needs an answer", className: "bg-warn-solid" },
  error: { text: "failed", className: "bg-danger-solid" },
  waiting: { text: "at rest", className: "bg-ok-solid" },
};

interface DrivenChatsProps {
  chats: readonly DrivenChat[];
  owned: number;
  onChat: (chatId: string) => void;
}

/** A chip for each chat, the one that has worked for longest first. */
function DrivenChats({ chats, owned, onChat }: DrivenChatsProps): ReactNode {
  return (
    <ul className="flex flex-wrap gap-1.5">
      {chats.map(({ id, status, runnable_ms: ms, kind, model }) => (
        <li key={id}>
          <button
            type="button"
            onClick={() => onChat(id)}
            title={`${kind === "root" ? "" : "Sub-agent, "}${model}`}
            className="flex h-7 items-center gap-1.5 rounded-md border border-line bg-canvas px-2 text-xs tabular-nums transition-colors hover:bg-hover"
          >
            <span
              aria-hidden="true"
              className={clsx("size-2 rounded-full", dots[status].className)}
            />
            <span className="sr-only">
              Chat {shortId(id)}, {dots[status].text}{" "}
            </span>
            {ms === null ? "–" : lasting(ms)}
          </button>
        </li>
      ))}
      {owned > chats.length && (
        <li className="self-center text-xs text-ink-muted">and {owned - chats.length} more</li>
      )}
    </ul>
  );
}
