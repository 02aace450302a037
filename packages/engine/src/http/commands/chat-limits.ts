import type { CreateChat, PatchChat } from "@parley/protocol";
import type { HttpContext } from "../context.ts";
import { InvalidRequest, PayloadTooLarge } from "../errors.ts";

type Limited = Pick<CreateChat & PatchChat, "labels" | "client_tools"> & {
  readonly system_prompt?: string | null | undefined;
};

/**
 * Holds a chat to the limits of this installation. The schemas hold it to those of the protocol, which are the most
 * that an installation may allow.
 *
 * @throws InvalidRequest
 * @throws PayloadTooLarge
 */
export function checkChatLimits(chat: Limited, { limits }: Pick<HttpContext, "limits">): void {
  const { systemPromptBytesMax, clientToolsMax, labelsMax } = limits;
  if (Buffer.byteLength(chat.system_prompt ?? "") > systemPromptBytesMax) {
    throw new PayloadTooLarge("The system prompt", systemPromptBytesMax);
  }
  if ((chat.client_tools?.length ?? 0) > clientToolsMax) {
    throw new InvalidRequest(`A chat may have ${clientToolsMax} client tools here.`, {
      client_tools_max: clientToolsMax,
    });
  }
  if (Object.keys(chat.labels ?? {}).length > labelsMax) {
    throw new InvalidRequest(`A chat may have ${labelsMax} labels here.`, {
      labels_max: labelsMax,
    });
  }
}
