import type { ReactNode } from "react";
import { Logo } from "../ui/logo.tsx";

export interface StandAlonePageProps {
  title: string;
  text: ReactNode;
  children?: ReactNode;
}

/** A page without the frame: for who is not in yet, and for when nothing works. */
export function StandAlonePage({ title, text, children }: StandAlonePageProps): ReactNode {
  return (
    <main id="main" className="grid h-full animate-fade place-items-center overflow-y-auto p-6">
      <title>{`${title} · Parley`}</title>
      <div className="w-full max-w-sm pb-[12vh]">
        <Logo className="size-11" />
        <h1 className="mt-6 text-2xl font-semibold tracking-tight text-balance">{title}</h1>
        <div className="mt-2 text-ink-muted">{text}</div>
        <div className="mt-6">{children}</div>
      </div>
    </main>
  );
}
