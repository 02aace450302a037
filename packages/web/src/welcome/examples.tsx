import { useCreateChat } from "@parley/client/react";
import { Brain, FileText, Hand, ListPlus, RotateCcw, Wrench } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { showError } from "../ui/toast-store.ts";

/** What the demo model understands, as things to see. */
const examples = [
  {
    icon: FileText,
    title: "A long reply",
    text: "Reload in the middle",
    content: "Write something long for me",
  },
  {
    icon: Brain,
    title: "Thinking first",
    text: "Then the answer",
    content: "Think about it: what makes a good conversation?",
  },
  {
    icon: Wrench,
    title: "A tool",
    text: "A call, its input, its result",
    content: 'call roll_dice {"count": 3}',
  },
  {
    icon: Hand,
    title: "A question for you",
    text: "It waits for your yes",
    content: 'call send_email {"to": "ada@example.com", "subject": "Greetings"}',
  },
  {
    icon: ListPlus,
    title: "A slow reply",
    text: "Send more: it queues",
    content: "slow: tell me about patience",
  },
  {
    icon: RotateCcw,
    title: "A provider that fails",
    text: "And is tried again",
    content: "fail 429 once",
  },
] as const;

/** Things to try, each a chat of its own. */
export function Examples(): ReactNode {
  const create = useCreateChat();
  const [, navigate] = useLocation();
  const [busy, setBusy] = useState(false);
  const begin = async (content: string): Promise<void> => {
    setBusy(true);
    try {
      const { chat } = await create({ content });
      navigate(`/chats/${chat.id}`);
    } catch (error) {
      setBusy(false);
      showError("The chat was not begun", error);
    }
  };
  return (
    <section aria-labelledby="examples">
      <h2 id="examples" className="mb-2.5 text-sm font-medium text-ink-muted">
        Things to try
      </h2>
      <ul className="grid gap-2 sm:grid-cols-2 lg:grid-cols-3">
        {examples.map(({ icon: Icon, title, text, content }) => (
          <li key={title}>
            <button
              type="button"
              disabled={busy}
              onClick={() => void begin(content)}
              className="flex h-full w-full items-start gap-3 rounded-lg border border-line bg-surface px-3.5 py-3 text-left transition-colors hover:border-line-strong hover:bg-hover"
            >
              <Icon size={16} className="mt-0.5 shrink-0 text-accent-ink" aria-hidden="true" />
              <span>
                <span className="block text-sm font-medium">{title}</span>
                <span className="block text-xs text-ink-muted">{text}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
