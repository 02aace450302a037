import { Search, X } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";

/** A search is asked for when nothing was typed for so long. */
const pauseMs = 200;

export const searchFieldId = "chat-search";

export interface SearchFieldProps {
  value: string;
  onChange: (value: string) => void;
}

export function SearchField({ value, onChange }: SearchFieldProps): ReactNode {
  const [typed, setTyped] = useState(value);
  const [shown, setShown] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  // The list was cleared elsewhere.
  if (shown !== value) {
    setShown(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === value) return undefined;
    const timer = setTimeout(() => {
      setShown(typed);
      onChange(typed);
    }, pauseMs);
    return () => clearTimeout(timer);
  }, [typed, value, onChange]);
  return (
    <search className="relative min-w-0 flex-1">
      <Search
        size={15}
        aria-hidden="true"
        className="pointer-events-none absolute top-2.5 left-2.5 text-ink-faint"
      />
      <input
        ref={field}
        id={searchFieldId}
        type="text"
        role="searchbox"
        aria-label="Search the chats"
        placeholder="Search"
        value={typed}
        maxLength={200}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || typed === "") return;
          event.preventDefault();
          setTyped("");
        }}
        className="h-9 w-full rounded-md bg-hover pr-8 pl-8 text-sm outline-offset-0 transition-colors focus:bg-surface"
      />
      {typed !== "" && (
        <button
          type="button"
          aria-label="Clear the search"
          onClick={() => {
            setTyped("");
            field.current?.focus();
          }}
          className="absolute top-1.5 right-1.5 grid size-6 place-items-center rounded-sm text-ink-muted hover:bg-active hover:text-ink"
        >
          <X size={14} aria-hidden="true" />
        </button>
      )}
    </search>
  );
}
