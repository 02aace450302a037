import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import { CopyBlock } from "../ui/copy-block.tsx";

const command = `# or OPENAI_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY
export ANTHROPIC_API_KEY=sk-…
npm start`;

/** For who has just installed it: what answers here, and how that changes. */
export function DemoNote(): ReactNode {
  return (
    <section
      aria-labelledby="demo-note"
      className="rounded-lg border border-line bg-sunken px-4 py-3.5 text-sm"
    >
      <h2 id="demo-note" className="flex items-center gap-2 font-medium">
        <KeyRound size={15} className="text-accent-ink" aria-hidden="true" />
        You are talking to a demo model
      </h2>
      <p className="mt-1 text-ink-muted">
        It is built in, costs nothing and knows nothing: it is there to show how everything else
        works. For a real model, start the server with the key of a provider:
      </p>
      <CopyBlock text={command} className="mt-3" />
    </section>
  );
}
