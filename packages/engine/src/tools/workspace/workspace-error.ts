import { ParleyError } from "../../lib/errors.ts";

export type WorkspaceErrorCode =
  | "outside_workspace"
  | "not_found"
  | "wrong_kind"
  | "too_large"
  | "not_text"
  | "no_match"
  | "changed_meanwhile"
  | "invalid_pattern"
  | "no_process"
  | "too_many_processes";

/** A refusal that the model hears of and can do something about. */
export class WorkspaceError extends ParleyError {
  constructor(code: WorkspaceErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code !== undefined && codes.includes(code);
}
