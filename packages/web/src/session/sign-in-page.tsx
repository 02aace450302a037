import { ParleyApiError } from "@parley/client";
import { useId, useState, type ReactNode, type SyntheticEvent } from "react";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/text-field.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { signIn } from "./session-store.ts";
import { StandAlonePage } from "./stand-alone-page.tsx";

const greetings = {
  new: {
    title: "Sign in to Parley",
    text: "Open the address that the server printed when it started, or paste a token.",
  },
  "bad-token": {
    title: "That address is not good any more",
    text: "Its token was revoked or has run out. Paste another one, or ask whoever runs this server.",
  },
  ended: {
    title: "You are signed out",
    text: "The token of this browser was revoked or has run out. Your chats are kept, and go on.",
  },
} as const;

/** The way in, for whom the server does not know. */
export function SignInPage({ why }: { why: keyof typeof greetings }): ReactNode {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const hint = useId();
  const { title, text } = greetings[why];

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (busy || token.trim() === "") return;
    setBusy(true);
    setProblem(null);
    try {
      await signIn(token.trim());
    } catch (error) {
      setBusy(false);
      const isBad = error instanceof ParleyApiError && error.status === 401;
      setProblem(isBad ? "The server does not know this token." : reasonOf(error));
    }
  };

  return (
    <StandAlonePage title={title} text={text}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <TextField
          label="Token"
          type="password"
          autoComplete="current-password"
          placeholder="parley_…"
          value={token}
          onChange={setToken}
          problem={problem}
          autoFocus
          aria-describedby={hint}
        />
        <Button look="primary" type="submit" busy={busy} className="w-full">
          Sign in
        </Button>
        <p id={hint} className="text-sm text-ink-muted">
          The token is kept in a cookie that only this server can read. In a terminal,{" "}
          <code className="rounded-sm bg-hover px-1 py-0.5 text-xs">parley token create</code> makes
          one.
        </p>
      </form>
    </StandAlonePage>
  );
}
