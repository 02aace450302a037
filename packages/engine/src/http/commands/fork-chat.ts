import type { ChatAnswer, ForkChat } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import { forkChat } from "../../machine/transitions/fork-chat.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { create, principalScope, requestKey, type Answer } from "./once.ts";

/** Makes a new chat from an old one, up to a message of it. It waits for what the user says next. */
export async function forkChatCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: ForkChat,
  headerKey: string | undefined,
): Promise<Answer<ChatAnswer>> {
  const source = await context.access.read(caller, chatId);
  const { client_id, ...request } = body;
  const key = requestKey(caller, principalScope, client_id ?? headerKey, [
    "forkChat",
    source.id,
    request,
  ]);
  const id = context.random.uuid();
  const chat = {
    id,
    owner_id: caller.principalId,
    parent_chat_id: null,
    root_chat_id: id,
    title: body.title ?? source.title,
    labels: source.labels,
    model: source.model,
    reasoning_effort: source.reasoning_effort,
    system_prompt: source.system_prompt,
    sub_agents: source.sub_agents,
    budget: source.budget,
    family_budget: source.family_budget,
    client_tools: source.client_tools,
    model_settings: source.model_settings,
    fallback_models: source.fallback_models,
    status: "waiting",
  } as const;
  const answer = await create<ChatAnswer>(
    context.machine,
    chat,
    key,
    "http.fork_chat",
    async (bundle) => {
      await forkChat(bundle, {
        source_chat_id: source.id,
        ...(body.message_id === undefined ? {} : { up_to: body.message_id }),
      });
      await bundle.refresh();
      const { chatServers } = context;
      // Whose secrets they are is the owner.
      const isOwn = source.owner_id === caller.principalId;
      if (isOwn && chatServers !== null && source.mcp_servers.length > 0) {
        await bundle.set(await chatServers.servers.copy(bundle.tx, source, bundle.chat));
      }
      return { status: 201, body: { chat: chatOf(bundle.chat) } };
    },
  );
  context.access.remember(answer.body.chat.id, caller.principalId);
  return answer;
}
