import { useEffect, useEffectEvent } from "react";

/** Every shortcut, in the order of the help sheet. */
export const shortcuts = [
  { keys: "mod+k", text: "Search the chats", group: "Everywhere" },
  { keys: "mod+shift+o", text: "Begin a new chat", group: "Everywhere" },
  { keys: "mod+b", text: "Show or hide the chats", group: "Everywhere" },
  { keys: "mod+shift+l", text: "Switch between light and dark", group: "Everywhere" },
  { keys: "?", text: "Show this sheet", group: "Everywhere" },
  { keys: "alt+arrowup", text: "The chat above", group: "Chats" },
  { keys: "alt+arrowdown", text: "The chat below", group: "Chats" },
  { keys: "enter", text: "Send", group: "Writing" },
  { keys: "shift+enter", text: "New line", group: "Writing" },
  { keys: "escape", text: "Stop the reply", group: "Writing" },
] as const;

export type ShortcutKeys = (typeof shortcuts)[number]["keys"];

/** Calls `action` at these keys, anywhere on the page; those without a modifier only where nothing is typed. */
export function useShortcut(keys: ShortcutKeys, action: () => void): void {
  const act = useEffectEvent(action);
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.repeat || !isPressed(keys, event)) return;
      if (!/mod|alt/.test(keys) && isTyping(event.target)) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [keys]);
}

function isPressed(keys: string, event: KeyboardEvent): boolean {
  const parts = keys.split("+");
  const wants = (part: string): boolean => parts.includes(part);
  const mod = event.metaKey || event.ctrlKey;
  // "?" is typed with shift on some keyboards and without on others.
  const shift = wants("?") || event.shiftKey === wants("shift");
  return (
    event.key.toLowerCase() === parts.at(-1) &&
    mod === wants("mod") &&
    event.altKey === wants("alt") &&
    shift
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
