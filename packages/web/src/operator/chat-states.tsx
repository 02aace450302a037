import type { ReplicasAnswer } from "@parley/protocol";
import { clsx } from "clsx";
import type { ReactNode } from "react";
import { Panel } from "./panel.tsx";
import { plural } from "./wording.ts";

const states: readonly {
  readonly key: keyof ReplicasAnswer["chats"];
  readonly text: string;
  readonly className: string;
}[] = [
  { key: "running", text: "Working", className: "bg-accent" },
  { key: "interrupting", text: "Stopping", className: "bg-ink-faint" },
  { key: "requires_action", text: "Needs an answer", className: "bg-warn-solid" },
  { key: "error", text: "Failed", className: "bg-danger-solid" },
  { key: "waiting", text: "At rest", className: "bg-ok-solid" },
  { key: "archived", text: "Archived", className: "bg-line-strong" },
];

/** All chats of the deployment as one bar, and what its pieces are. */
export function ChatStates({ chats }: Pick<ReplicasAnswer, "chats">): ReactNode {
  const all = states.reduce((sum, { key }) => sum + chats[key], 0);
  return (
    <Panel title="Chats" figure={plural(all, "chat")}>
      {all === 0 ? (
        <p className="text-sm text-ink-muted">
          There are none yet. The first one that somebody begins shows here.
        </p>
      ) : (
        <>
          <div aria-hidden="true" className="flex h-6 gap-0.5 overflow-hidden rounded-md">
            {states.map(
              ({ key, className }) =>
                chats[key] > 0 && (
                  <span
                    key={key}
                    // However many others there are, a few that have failed are seen.
                    className={clsx("min-w-1.5 transition-[flex-grow]", className)}
                    style={{ flexGrow: chats[key] }}
                  />
                ),
            )}
          </div>
          <ul className="mt-4 grid grid-cols-2 gap-x-6 gap-y-2 text-sm sm:grid-cols-3">
            {states.map(({ key, text, className }) => (
              <li key={key} className="flex items-baseline gap-2" data-state={key}>
                <span
                  aria-hidden="true"
                  className={clsx("size-2 shrink-0 self-center rounded-full", className)}
                />
                <span className="min-w-0 flex-1 text-ink-muted">{text}</span>
                <span className="font-medium tabular-nums">{chats[key].toLocaleString("en")}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}
