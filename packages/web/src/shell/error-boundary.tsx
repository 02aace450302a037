import { Component, type ErrorInfo, type ReactNode } from "react";
import { StandAlonePage } from "../session/stand-alone-page.tsx";
import { Button } from "../ui/button.tsx";

interface Props {
  /** Another value is another try: the address, say. */
  resetOn?: string;
  children: ReactNode;
}

interface State {
  readonly error: Error | null;
  readonly resetOn: string | undefined;
}

/** A page that fails says so, and leaves the others alone. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null, resetOn: this.props.resetOn };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static getDerivedStateFromProps({ resetOn }: Props, state: State): Partial<State> | null {
    return resetOn === state.resetOn ? null : { error: null, resetOn };
  }

  override componentDidCatch(error: Error, info: ErrorInfo): void {
    // Where whoever looks into it finds it; nothing is sent anywhere.
    // oxlint-disable-next-line no-console
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    // A part that was split off is gone from the server: it has a newer version of everything.
    const isOutdated = /dynamically imported module|Importing a module/.test(error.message);
    return (
      <StandAlonePage
        title={isOutdated ? "There is a newer version" : "This page has failed"}
        text={
          isOutdated
            ? "The server was updated since this page was opened."
            : "That is a mistake of ours. Your chats are kept on the server, and go on."
        }
      >
        <Button look="primary" onClick={() => window.location.reload()}>
          Reload
        </Button>
        {!isOutdated && (
          <pre className="mt-6 overflow-x-auto rounded-md bg-sunken p-3 text-xs text-ink-muted">
            {error.message}
          </pre>
        )}
      </StandAlonePage>
    );
  }
}
