import type { ReactNode } from "react";

export function Logo({ className }: { className?: string }): ReactNode {
  return <img src="/icon.svg" alt="" width={32} height={32} className={className} />;
}
