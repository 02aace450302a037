import type { CreateChat, CreateChatAnswer } from "@parley/protocol";
import { chatOf, messagesOf } from "../../domain/representation.ts";
import { limitOf } from "../../domain/spending.ts";
import { createChat } from "../../machine/transitions/create-chat.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { checkChatLimits } from "./chat-limits.ts";
import { checkServers, replaceServers } from "./chat-servers.ts";
import { attachFiles } from "./attach-files.ts";
import { partsOf } from "./content.ts";
import { checkModelFits, checkModelWish } from "./model-wish.ts";
import { create, principalScope, requestKey, type Answer } from "./once.ts";
import { checkResponseFormat } from "./response-format.ts";

export async function createChatCommand(
  context: HttpContext,
  caller: Caller,
  body: CreateChat,
  headerKey: string | undefined,
): Promise<Answer<CreateChatAnswer>> {
  const { client_id, ...request } = body;
  checkModelWish(body, context);
  checkModelFits(body, context.models.defaultModel(), context);
  await checkResponseFormat(body.response_format, context);
  checkChatLimits(body, context);
  checkServers(body.mcp_servers, context);
  const content = partsOf(body.content, context);
  const key = requestKey(caller, principalScope, client_id ?? headerKey, ["createChat", request]);
  const id = context.random.uuid();
  const chat = {
    id,
    owner_id: caller.principalId,
    parent_chat_id: null,
    root_chat_id: id,
    title: body.title ?? null,
    labels: body.labels ?? {},
    model: body.model ?? context.models.defaultModel(),
    reasoning_effort: body.reasoning_effort ?? null,
    system_prompt: body.system_prompt ?? null,
    sub_agents: body.sub_agents ?? true,
    budget: body.budget === undefined ? null : limitOf(body.budget),
    family_budget: body.family_budget === undefined ? null : limitOf(body.family_budget),
    client_tools: body.client_tools ?? [],
    model_settings: body.model_settings ?? null,
    fallback_models: body.fallback_models ?? null,
    status: "running",
  } as const;
  const answer = await create<CreateChatAnswer>(
    context.machine,
    chat,
    key,
    "http.create_chat",
    async (bundle) => {
      const message = {
        role: "user",
        parts: await attachFiles(bundle, content, caller, context),
        response_format: body.response_format ?? null,
        client_id: client_id ?? null,
        created_by: caller.principalId,
      } as const;
      const messages = await createChat(bundle, { messages: [message] });
      const servers = await replaceServers(context, bundle.tx, bundle.sketch, body.mcp_servers);
      if (servers.mcp_servers !== undefined) await bundle.set(servers);
      await bundle.transaction.offer(bundle);
      await bundle.refresh();
      return {
        status: 201,
        body: { chat: chatOf(bundle.chat), messages: messagesOf(messages) },
      };
    },
  );
  context.access.remember(answer.body.chat.id, caller.principalId);
  return answer;
}
