import { Check, Copy } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { IconButton } from "./icon-button.tsx";
import { showError } from "./toast-store.ts";

const confirmedMs = 1_500;

export interface CopyButtonProps {
  text: string;
  label?: string;
  className?: string;
}

export function CopyButton({ text, label = "Copy", className }: CopyButtonProps): ReactNode {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), confirmedMs);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      (error: unknown) => showError("It was not copied", error),
    );
  };
  return (
    <IconButton
      label={copied ? "Copied" : label}
      size="sm"
      icon={copied ? <Check size={15} className="text-ok" /> : <Copy size={15} />}
      onClick={copy}
      {...(className === undefined ? {} : { className })}
    />
  );
}
