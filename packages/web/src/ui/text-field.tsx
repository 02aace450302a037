import { clsx } from "clsx";
import { useId, type ComponentProps, type ReactNode } from "react";

export interface TextFieldProps extends Omit<ComponentProps<"input">, "onChange" | "value"> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** One sentence under the field. */
  hint?: string;
  /** Why the value is not good; null while it is. */
  problem?: string | null;
}

export function TextField(props: TextFieldProps): ReactNode {
  const { label, value, onChange, hint, problem = null, className, ...rest } = props;
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">
        {label}
      </label>
      <input
        {...rest}
        id={id}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        aria-invalid={problem !== null}
        aria-describedby={note === undefined ? rest["aria-describedby"] : `${id}-note`}
        className={clsx(
          "h-10 w-full rounded-md border bg-surface px-3 text-sm outline-offset-0 transition-colors",
          problem === null ? "border-line-strong" : "border-danger",
        )}
      />
      {note !== undefined && (
        <p
          id={`${id}-note`}
          role={problem === null ? undefined : "alert"}
          className={clsx("mt-1.5 text-sm", problem === null ? "text-ink-muted" : "text-danger")}
        >
          {note}
        </p>
      )}
    </div>
  );
}
