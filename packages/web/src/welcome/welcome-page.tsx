import type { ReactNode } from "react";
import { NewChatComposer } from "../composer/new-chat-composer.tsx";

/** Where a new chat begins. */
export function WelcomePage(): ReactNode {
  return (
    <div className="mx-auto grid h-full max-w-2xl content-center gap-6 px-4">
      <h1 className="text-center text-2xl font-semibold">What shall we talk about?</h1>
      <NewChatComposer />
    </div>
  );
}
