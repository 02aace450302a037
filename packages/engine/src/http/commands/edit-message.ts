import type { EditMessage, EditMessageAnswer } from "@parley/protocol";
import { chatOf, messagesOf } from "../../domain/representation.ts";
import { editMessage } from "../../machine/transitions/edit-message.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { attachFiles } from "./attach-files.ts";
import { partsOf } from "./content.ts";
import { checkModelFits, checkModelWish } from "./model-wish.ts";
import { requestKey, update, type Answer } from "./once.ts";
import { checkResponseFormat } from "./response-format.ts";

export async function editMessageCommand(
  context: HttpContext,
  caller: Caller,
  target: { readonly chatId: string; readonly messageId: number },
  body: EditMessage,
  headerKey: string | undefined,
): Promise<Answer<EditMessageAnswer>> {
  const id = await context.access.require(caller, target.chatId);
  const { client_id, ...request } = body;
  const { messageId } = target;
  checkModelWish(body, context);
  if (body.model !== undefined) checkModelFits(body, body.model, context);
  await checkResponseFormat(body.response_format, context);
  const content = partsOf(body.content, context);
  const key = requestKey(caller, id, client_id ?? headerKey, [
    "editMessage",
    id,
    messageId,
    request,
  ]);
  return await update(context.machine, id, key, "http.edit_message", async (bundle) => {
    const message = await editMessage(bundle, {
      message_id: messageId,
      parts: await attachFiles(bundle, content, caller, context),
      ...(body.model === undefined ? {} : { model: body.model }),
      ...(body.reasoning_effort === undefined ? {} : { reasoning_effort: body.reasoning_effort }),
      ...(body.model_settings === undefined ? {} : { model_settings: body.model_settings }),
      ...(body.response_format === undefined ? {} : { response_format: body.response_format }),
      client_id: client_id ?? null,
      created_by: caller.principalId,
      keep_queue: body.keep_queue ?? false,
    });
    await bundle.refresh();
    return {
      status: 200,
      body: { chat: chatOf(bundle.chat), messages: messagesOf([message]) },
    };
  });
}
