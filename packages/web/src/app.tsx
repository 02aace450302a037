import { lazy, Suspense, useEffect, type ReactNode } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { SessionGate } from "./session/session-gate.tsx";
import { ErrorBoundary } from "./shell/error-boundary.tsx";
import { Shell } from "./shell/shell.tsx";
import { Toasts } from "./ui/toasts.tsx";
import { TooltipProvider } from "./ui/tooltip.tsx";
import { WelcomePage } from "./welcome/welcome-page.tsx";

/** What the first page itself needs has come by then. */
const preloadAfterMs = 1_000;

const conversation = () => import("./conversation/conversation-page.tsx");

const ConversationPage = lazy(async () => ({ default: (await conversation()).ConversationPage }));
const SettingsPage = lazy(async () => ({
  default: (await import("./settings/settings-page.tsx")).SettingsPage,
}));
const OperatorPage = lazy(async () => ({
  default: (await import("./operator/operator-page.tsx")).OperatorPage,
}));

/** Everybody who comes goes to a chat sooner or later: its code is there before he asks for it. */
function usePreloadedConversation(): void {
  useEffect(() => {
    const timer = setTimeout(() => void conversation().catch(() => {}), preloadAfterMs);
    return () => clearTimeout(timer);
  }, []);
}

export function App(): ReactNode {
  return (
    <ErrorBoundary>
      <TooltipProvider>
        <SessionGate>
          <Shell>
            <Pages />
          </Shell>
        </SessionGate>
        <Toasts />
      </TooltipProvider>
    </ErrorBoundary>
  );
}

function Pages(): ReactNode {
  const [location] = useLocation();
  usePreloadedConversation();
  return (
    <ErrorBoundary resetOn={location}>
      <Suspense fallback={null}>
        <Switch>
          <Route path="/">
            <WelcomePage />
          </Route>
          <Route path="/chats/:id">{({ id }) => <ConversationPage key={id} chatId={id} />}</Route>
          <Route path="/settings">
            <SettingsPage />
          </Route>
          <Route path="/operator">
            <OperatorPage />
          </Route>
          <Route>
            <Redirect to="/" replace />
          </Route>
        </Switch>
      </Suspense>
    </ErrorBoundary>
  );
}
