import { useChat, useCreateChat, useSendMessage } from "@parley/client/react";
import { useState } from "react";

export function App() {
  const [chatId, setChatId] = useState(location.hash.slice(1));
  const create = useCreateChat();
  const send = useSendMessage(chatId);
  const submit = async (form: FormData) => {
    const content = form.get("text") as string;
    if (chatId) await send({ content });
    else setChatId((location.hash = (await create({ content })).chat.id));
  };
  return (
    <form action={(form) => submit(form).catch(alert)}>
      {chatId && <Lines chatId={chatId} />}
      <input name="text" required autoFocus placeholder="Say something" />
    </form>
  );
}

function Lines({ chatId }: { chatId: string }) {
  const { transcript, pending } = useChat(chatId);
  const { messages, preview, queue } = transcript;
  const rows = [...messages, ...(preview ? [preview] : []), ...queue];
  const sending = pending.map(({ content }) => content as string);
  return [...rows.map(textOf), ...sending].map((line, at) => <p key={at}>{line}</p>);
}

const textOf = ({ parts }: { parts: readonly object[] }) =>
  parts.map((part) => ("text" in part ? part.text : "")).join("");
