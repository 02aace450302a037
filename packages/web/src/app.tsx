import { lazy, Suspense, type ReactNode } from "react";
import { Redirect, Route, Switch } from "wouter";
import { ConversationPage } from "./conversation/conversation-page.tsx";
import { Shell } from "./shell/shell.tsx";
import { Toasts } from "./ui/toasts.tsx";
import { TooltipProvider } from "./ui/tooltip.tsx";
import { WelcomePage } from "./welcome/welcome-page.tsx";

const SettingsPage = lazy(async () => ({
  default: (await import("./settings/settings-page.tsx")).SettingsPage,
}));
const OperatorPage = lazy(async () => ({
  default: (await import("./operator/operator-page.tsx")).OperatorPage,
}));

export function App(): ReactNode {
  return (
    <TooltipProvider>
      <Shell>
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
      </Shell>
      <Toasts />
    </TooltipProvider>
  );
}
