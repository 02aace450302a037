import type { Change } from "./ports.ts";
import { frame, messageOfNotice, zeroEnded, type Frame } from "./wire.ts";

/** What of the text makes a statement depend on whose session it is. */
export const sessionPattern = /pg_backend_pid|advisory|parley_sim\./;

export const failingQuery = frame(
  "Q",
  zeroEnded("do $$ begin raise exception 'simulated'; end $$"),
);

export function lost(): Error {
  return Object.assign(new Error("Connection terminated unexpectedly"), { code: "ECONNRESET" });
}

export function outcomeOf(answer: readonly Frame[]): string {
  const error = answer.find(({ type }) => type === "E");
  if (error) return ` error: ${messageOfNotice(error.bytes).slice(0, 120)}`;
  const rows = answer.filter(({ type }) => type === "D").length;
  return rows === 0 ? "" : ` ${rows} rows`;
}

export function changeOf(json: string): Change {
  const [table, op, row] = JSON.parse(json) as [string, Change["op"], Change["row"]];
  return { table, op, row };
}
