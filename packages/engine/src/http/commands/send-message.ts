import type { SendMessage, SendMessageAnswer } from "@parley/protocol";
import { chatOf, messagesOf, queuedOf } from "../../domain/representation.ts";
import { sendMessage } from "../../machine/transitions/send-message.ts";
import { readAlongEntering } from "../../machine/enter-history.ts";
import type { WriteTx } from "../../postgres/sql.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { attachFiles } from "./attach-files.ts";
import { partsOf } from "./content.ts";
import { checkModelFits, checkModelWish } from "./model-wish.ts";
import { requestKey, update, type Answer } from "./once.ts";
import { checkResponseFormat } from "./response-format.ts";

export async function sendMessageCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: SendMessage,
  headerKey: string | undefined,
): Promise<Answer<SendMessageAnswer>> {
  const id = await context.access.require(caller, chatId);
  const { client_id, ...request } = body;
  checkModelWish(body, context);
  await checkResponseFormat(body.response_format, context);
  const content = partsOf(body.content, context);
  const key = requestKey(caller, id, client_id ?? headerKey, ["sendMessage", id, request]);
  const along = (tx: WriteTx) => readAlongEntering(tx, id, client_id ?? null);
  const options = { operation: "http.send_message", along };
  return await update(context.machine, id, key, options, async (bundle) => {
    checkModelFits(body, bundle.sketch.model, context);
    const message = {
      parts: await attachFiles(bundle, content, caller, context),
      model: body.model ?? null,
      reasoning_effort: body.reasoning_effort ?? null,
      model_settings: body.model_settings ?? null,
      response_format: body.response_format ?? null,
      client_id: client_id ?? null,
      created_by: caller.principalId,
    };
    const { messages, queued } = await sendMessage(bundle, {
      message,
      when_busy: body.when_busy ?? "queue",
      queueMessagesMax: context.limits.queueMessagesMax,
    });
    await bundle.transaction.offer(bundle);
    await bundle.refresh();
    return {
      status: 200,
      body: {
        chat: chatOf(bundle.chat),
        messages: messagesOf(messages),
        queued: queued === null ? null : queuedOf(queued),
      },
    };
  });
}
