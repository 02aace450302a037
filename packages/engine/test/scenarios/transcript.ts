import type { Part } from "@parley/protocol";
import type { World } from "../world.ts";

interface Line {
  role: string;
  visibility: string;
  parts: Part[];
}

/** The live history, one line each: `user: text`, `assistant calls client, approval`, `tool answers client!`. */
export async function transcript(world: World, chatId: string): Promise<string[]> {
  const rows = await world.sql<Line>(
    `select role, visibility, parts from parley.chat_messages where chat_id = $1 and not deleted order by id`,
    [chatId],
  );
  return rows.map(lineOf);
}

export function lineOf({ role, visibility, parts }: Line): string {
  const who = visibility === "both" ? role : `${role} (${visibility})`;
  const [first] = parts;
  switch (first?.type) {
    case "text":
      return `${who}: ${first.text}`;
    case "tool-call":
      return `${who} calls ${names(parts)}`;
    case "tool-result":
      return `${who} answers ${names(parts)}`;
    default:
      return `${who} ${first?.type ?? "nothing"}`;
  }
}

function names(parts: readonly Part[]): string {
  return parts
    .map((part) => {
      if (part.type === "tool-call") return part.tool_name.replace("tool_", "");
      if (part.type !== "tool-result") return part.type;
      return part.tool_name.replace("tool_", "") + (part.is_error ? "!" : "");
    })
    .join(", ");
}

/** The queue in order, as `manner: text`. */
export async function queueOf(world: World, chatId: string): Promise<string[]> {
  const rows = await world.sql<{ manner: string; parts: Part[] }>(
    `select manner, parts from parley.chat_queue where chat_id = $1 order by rank, id`,
    [chatId],
  );
  return rows.map(({ manner, parts: [part] }) =>
    part?.type === "text" ? `${manner}: ${part.text}` : `${manner} ${part?.type}`,
  );
}

/** Every row of every table, with the transaction that wrote it: equal dumps mean that nothing was written. */
export async function dump(world: World): Promise<string[]> {
  const tables = await world.sql<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'parley' order by 1`,
  );
  const each = tables.map(
    ({ name }) =>
      `select '${name} ' || t.xmin::text || ' ' || t::text as row from parley.${name} t`,
  );
  const rows = await world.sql<{ row: string }>(`${each.join(" union all ")} order by 1`);
  return rows.map(({ row }) => row);
}
