import type { ChatNotice } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { writeOutages, type Outage } from "../../store/notices.ts";
import { chatDefinition } from "../../tools/mcp/chat-definition.ts";
import type { ServersRead } from "../../machine/chat-servers.ts";
import { ChatTools } from "../chat-tools.ts";
import { throwIfCancelled, type TaskContext } from "./context.ts";
import { patiently } from "./patiently.ts";

/** The tools of the chat as its row, locked, says now. Costs a statement where the chat has servers and they have changed. */
export async function toolsIn(ctx: TaskContext, bundle: Bundle): Promise<ChatTools> {
  const { tx, chatId } = bundle;
  return await toolsOf(ctx, bundle.flags, async (servers) => await servers.read(tx, chatId));
}

/**
 * The tools for a model call. Servers that nobody has asked yet are waited for a little; what is not there by then is done
 * without, and people are told of it: once, when it begins, and once when it is over.
 */
export async function readyTools(ctx: TaskContext): Promise<ChatTools> {
  const { mcp, database, chatId, signal } = ctx;
  const tools = await toolsOf(
    ctx,
    ctx.row,
    async (servers) =>
      await patiently(ctx, "worker.servers", async () => {
        const query = database.one.bind(database);
        return await servers.read(
          { query: async (statement) => await query(statement, { operation: "worker.servers" }) },
          chatId,
        );
      }),
  );
  if (mcp === null) return tools;
  await mcp.tools.ready(tools.definitions, signal);
  throwIfCancelled(signal);
  const { notices } = ctx.row;
  if (isNews(notices, outagesOf(ctx, tools, notices))) {
    await ctx.commit("worker.notice", async (bundle) => await noteOutages(ctx, bundle, tools));
  }
  return tools;
}

/** Writes what has changed about the servers, in a bundle whose row is fresh. Costs nothing where nothing has. */
export async function noteOutages(
  ctx: TaskContext,
  bundle: Bundle,
  tools: ChatTools,
): Promise<void> {
  const { notices } = bundle.sketch;
  const outages = outagesOf(ctx, tools, notices);
  if (!isNews(notices, outages)) return;
  bundle.adopt(await writeOutages(bundle.atSnapshot(), bundle.chatId, outages));
}

async function toolsOf(
  { mcp, tools: registry, memory }: TaskContext,
  { mcp_servers, mcp_revision }: Pick<ChatRow, "mcp_servers" | "mcp_revision">,
  read: (servers: NonNullable<TaskContext["mcp"]>["servers"]) => Promise<ServersRead>,
): Promise<ChatTools> {
  if (mcp === null || mcp_servers.length === 0) return new ChatTools(registry);
  const known = memory.tools(mcp_revision);
  if (known !== null) return known;
  const { revision, servers } = await read(mcp.servers);
  const definitions = (servers ?? []).map(chatDefinition);
  const isLost = servers === null;
  const source = mcp.tools.of(definitions);
  const tools = new ChatTools(registry, { definitions, source, isLost });
  memory.rememberTools(revision, tools);
  return tools;
}

function outagesOf(
  { mcp, row }: TaskContext,
  tools: ChatTools,
  notices: readonly ChatNotice[],
): readonly Outage[] {
  if (mcp === null) return [];
  const found = mcp.tools.health(tools.definitions).flatMap((health): Outage[] => {
    if (health.state === "down") return [health];
    if (health.state === "up") return [];
    // A replica that has just taken the chat over knows less than the one before it.
    return notices.filter(({ server }) => server === health.server);
  });
  const lost = tools.isLost ? row.mcp_servers : [];
  return [...found, ...lost.map(({ name }) => ({ server: name, problem: lostProblem }))];
}

const lostProblem = "its address and credentials cannot be read any more: give them again";

/** The words for one that is told of already may change from try to try; that is no news. */
function isNews(notices: readonly ChatNotice[], outages: readonly Outage[]): boolean {
  const told = new Set(notices.map(({ server }) => server));
  return told.size !== outages.length || outages.some(({ server }) => !told.has(server));
}
