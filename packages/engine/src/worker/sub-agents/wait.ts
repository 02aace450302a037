import type { AgentRow } from "../../domain/agent.ts";
import type { ChatSignals } from "../../machine/chat-signals.ts";
import { readDescendants, readWatched } from "../../store/family.ts";
import type { AgentCall, WaitReport, WaitRequest } from "../../tools/sub-agents/port.ts";
import { Cancelled } from "../tasks/context.ts";
import { read, Refused, type CallDeps } from "./calls.ts";
import { noSuchAgent, reportOf } from "./report.ts";
import { judgeWait, type WaitVerdict } from "./wait-state.ts";

/** A wait looks this often when it hears nothing: it depends on no hint. */
const pollMs = 5_000;

/** Waits until the agents have ended, one of them is deleted, the chat that waits is steered, or the time is up. */
export async function waitForAgents(
  deps: CallDeps,
  signals: ChatSignals,
  call: AgentCall,
  { ids, timeoutMs }: WaitRequest,
): Promise<WaitReport> {
  const { clock } = deps;
  const until = clock.monotonic() + timeoutMs;
  const awaited = awaitedOf(await descendantsOf(deps, call), ids);
  const following = signals.follow(call.chatId, ...awaited);
  const look = async (): Promise<WaitVerdict> =>
    judgeWait(
      awaited,
      await read(deps, call, "sub_agents.wait", (sql) => readWatched(sql, call.chatId, awaited)),
    );
  try {
    let verdict = await look();
    if (verdict.type === "wait") {
      await call.idle(async () => {
        while (verdict.type === "wait") {
          const leftMs = until - clock.monotonic();
          if (leftMs <= 0) return;
          const ms = Math.min(leftMs, pollMs);
          const why = await following.wake.wait(call.signal, clock, ms, "sub_agents.wait");
          if (why === "aborted") throw new Cancelled("the call was stopped");
          verdict = await look();
        }
      });
    }
    if (verdict.type === "deleted") {
      throw new Refused(
        `The sub-agent ${verdict.id} was deleted while you waited for it. list_agents tells what there still is.`,
      );
    }
    const outcome = verdict.type === "wait" ? "timeout" : verdict.type;
    const rows = await descendantsOf(deps, call);
    const agents = rows.filter(({ id }) => awaited.includes(id));
    return { outcome, agents: agents.map((row) => reportOf(row, call.chatId)) };
  } finally {
    following.stop();
  }
}

function awaitedOf(rows: readonly AgentRow[], ids: readonly string[] | undefined): string[] {
  if (ids !== undefined) {
    const known = new Set(rows.map((row) => row.id));
    const unknown = ids.find((id) => !known.has(id));
    if (unknown !== undefined) throw noSuchAgent(unknown);
    return [...new Set(ids)];
  }
  const current = rows.filter((row) => row.depth === 1 && row.current).map((row) => row.id);
  if (current.length === 0) throw new Refused("There is no sub-agent to wait for.");
  return current;
}

async function descendantsOf(deps: CallDeps, call: AgentCall): Promise<AgentRow[]> {
  return await read(deps, call, "sub_agents.list", (sql) => readDescendants(sql, call.chatId));
}
