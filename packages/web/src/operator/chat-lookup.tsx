import { useState, type ReactNode, type SyntheticEvent } from "react";
import { Button } from "../ui/button.tsx";

/** Somebody says that a chat is stuck, and names it. */
export function ChatLookup({ onFound }: { onFound: (chatId: string) => void }): ReactNode {
  const [id, setId] = useState("");
  const look = (event: SyntheticEvent): void => {
    event.preventDefault();
    // Its address will do as well.
    const named = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(id);
    const chatId = named?.[0] ?? id.trim();
    if (chatId !== "") onFound(chatId);
  };
  return (
    <form onSubmit={look} className="mb-4 flex items-center gap-2">
      <input
        aria-label="A chat’s id or address"
        placeholder="A chat’s id"
        value={id}
        onChange={(event) => setId(event.target.value)}
        className="h-8 w-full max-w-80 rounded-md border border-line-strong bg-surface px-2.5 text-sm"
      />
      <Button size="sm" type="submit">
        Look up
      </Button>
    </form>
  );
}
