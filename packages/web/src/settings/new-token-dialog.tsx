import { useClient } from "@parley/client/react";
import type { CreateTokenAnswer } from "@parley/protocol";
import { useId, useState, type ReactNode, type SyntheticEvent } from "react";
import { Button } from "../ui/button.tsx";
import { CopyBlock } from "../ui/copy-block.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/text-field.tsx";
import { reasonOf } from "../ui/toast-store.ts";

const daySeconds = 24 * 3600;

const terms = [
  { label: "90 days", days: 90 },
  { label: "30 days", days: 30 },
  { label: "1 year", days: 365 },
  { label: "No end", days: null },
] as const;

export interface NewTokenDialogProps {
  onMade: () => void;
  onClose: () => void;
}

/** Makes a token, and shows its secret this once. */
export function NewTokenDialog({ onMade, onClose }: NewTokenDialogProps): ReactNode {
  const [made, setMade] = useState<CreateTokenAnswer | null>(null);
  if (made !== null) return <Secret made={made} onClose={onClose} />;
  return (
    <TokenForm
      onMade={(answer) => {
        setMade(answer);
        onMade();
      }}
      onClose={onClose}
    />
  );
}

interface TokenFormProps {
  onMade: (made: CreateTokenAnswer) => void;
  onClose: () => void;
}

function TokenForm({ onMade, onClose }: TokenFormProps): ReactNode {
  const client = useClient();
  const [name, setName] = useState("");
  const [days, setDays] = useState<number | null>(90);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const term = useId();
  const make = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    if (name.trim() === "") return setProblem("A token needs a name, so that you know it again.");
    setBusy(true);
    setProblem(null);
    try {
      const ends = days === null ? {} : { expires_in_seconds: days * daySeconds };
      onMade(await client.createToken({ name: name.trim(), ...ends }));
    } catch (error) {
      setBusy(false);
      setProblem(reasonOf(error));
    }
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="New token"
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" form="new-token" busy={busy}>
            Make it
          </Button>
        </>
      }
    >
      <form id="new-token" onSubmit={(event) => void make(event)} className="space-y-4">
        <TextField
          label="Name"
          placeholder="My laptop, the nightly report …"
          value={name}
          maxLength={100}
          onChange={setName}
          problem={problem}
          autoFocus
        />
        <div>
          <label htmlFor={term} className="mb-1.5 block text-sm font-medium">
            Good for
          </label>
          <select
            id={term}
            value={days ?? ""}
            onChange={(event) =>
              setDays(event.target.value === "" ? null : Number(event.target.value))
            }
            className="h-10 w-full rounded-md border border-line-strong bg-surface px-2.5 text-sm outline-offset-0"
          >
            {terms.map((one) => (
              <option key={one.label} value={one.days ?? ""}>
                {one.label}
              </option>
            ))}
          </select>
        </div>
      </form>
    </Dialog>
  );
}

function Secret({ made, onClose }: { made: CreateTokenAnswer; onClose: () => void }): ReactNode {
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`The token “${made.token.name}”`}
      description="Copy it now. It is not kept anywhere, and not shown again."
      actions={
        <Button look="primary" onClick={onClose}>
          I have it
        </Button>
      }
    >
      <CopyBlock text={made.secret} />
    </Dialog>
  );
}
