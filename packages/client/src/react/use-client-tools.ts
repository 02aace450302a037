import { useEffect, useRef } from "react";
import type { ClientToolHandlers } from "../stores/tool-runner.ts";
import { useStores } from "./provider.ts";

/**
 * Answers what the chat asks of this client: a call of a tool named here is run, once, and its result submitted. The chat
 * must have declared the tools (`client_tools`). What a tool throws is submitted as its error. Calls of other tools are
 * left alone, and so are approvals.
 */
export function useClientTools(chatId: string, tools: ClientToolHandlers): void {
  const stores = useStores();
  const latest = useRef(tools);
  useEffect(() => {
    latest.current = tools;
  }, [tools]);
  useEffect(() => stores.chat(chatId).answerTools(() => latest.current), [stores, chatId]);
}
