import { ParleyProvider } from "@parley/client/react";
import type { SessionAnswer } from "@parley/protocol";
import { createContext, useContext, useEffect, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { findSession, useSession } from "./session-store.ts";
import { SignInPage } from "./sign-in-page.tsx";
import { StandAlonePage } from "./stand-alone-page.tsx";

const me = createContext<SessionAnswer | null>(null);

/** Who is signed in. Only below the gate. */
export function useMe(): SessionAnswer {
  const value = useContext(me);
  if (value === null) throw new TypeError("there is no SessionGate above this component");
  return value;
}

/** Shows what is below it to whom the server knows, and the way in to everybody else. */
export function SessionGate({ children }: { children: ReactNode }): ReactNode {
  const session = useSession();
  useEffect(() => void findSession(), []);
  switch (session.kind) {
    case "asking":
      return (
        <div className="grid h-full animate-fade place-items-center text-ink-muted [animation-delay:400ms] [animation-fill-mode:backwards]">
          <Spinner label="Connecting" />
        </div>
      );
    case "stranger":
      return <SignInPage why={session.why} />;
    case "unreachable":
      return (
        <StandAlonePage
          title="The server does not answer"
          text="It may be starting, or the network is away. Nothing is lost: chats go on without this page."
        >
          <Button look="primary" onClick={() => void findSession()}>
            Try again
          </Button>
        </StandAlonePage>
      );
    case "in":
      return (
        <ParleyProvider client={session.client}>
          <me.Provider value={session.me}>{children}</me.Provider>
        </ParleyProvider>
      );
    default:
      return session satisfies never;
  }
}
