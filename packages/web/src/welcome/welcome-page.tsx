import { useModels } from "@parley/client/react";
import type { ReactNode } from "react";
import { NewChatComposer } from "../composer/new-chat-composer.tsx";
import { PageHeader } from "../shell/page-header.tsx";
import { Logo } from "../ui/logo.tsx";
import { DemoNote } from "./demo-note.tsx";
import { Examples } from "./examples.tsx";

/** Where a new chat begins. */
export function WelcomePage(): ReactNode {
  const { models, ready } = useModels();
  const onlyDemo = ready && models.every(({ provider }) => provider === "demo");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <PageHeader title="New chat" heading={<h1 className="sr-only">New chat</h1>} bare />
      <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
        <div className="mx-auto flex min-h-full max-w-2xl flex-col justify-center gap-6 px-4 pt-4 pb-[10vh] sm:px-6">
          <div className="flex flex-col items-center gap-4 pb-1 text-center">
            <Logo className="size-11" />
            <p className="text-2xl font-semibold tracking-tight">What is on your mind?</p>
          </div>
          <NewChatComposer />
          {/* Its room is kept until it is known what goes there: nothing jumps. */}
          <div className="min-h-64">
            {onlyDemo && (
              <div className="animate-fade space-y-6">
                <Examples />
                <DemoNote />
              </div>
            )}
          </div>
        </div>
      </main>
    </div>
  );
}
