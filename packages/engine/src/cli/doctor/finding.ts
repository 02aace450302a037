/** ok: nothing to do. note: worth knowing. warning: works, but will hurt. problem: does not work. */
export type Severity = "ok" | "note" | "warning" | "problem";

/** What one look at the installation found. */
export interface Finding {
  readonly severity: Severity;
  readonly subject: string;
  readonly text: string;
  /** What to do about it. */
  readonly mend?: string;
}

export function finding(severity: Severity, subject: string, text: string, mend?: string): Finding {
  return { severity, subject, text, ...(mend !== undefined && { mend }) };
}

export function findingText({ severity, subject, text, mend }: Finding): string {
  const indent = " ".repeat(9);
  const lines = [`${severity.padEnd(8)} ${subject}: ${text}`];
  if (mend !== undefined) lines.push(`→ ${mend}`);
  return lines.join("\n").replaceAll("\n", `\n${indent}`);
}
