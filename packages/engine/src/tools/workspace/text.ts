import { WorkspaceError } from "./workspace-error.ts";

const pageCharsMax = 48 * 1024;
const lineCharsMax = 2_000;

/** Lines of a text from `offset` (from 1), with their numbers, and how to get the next ones. */
export function pageOf(text: string, offset: number, limit: number): string {
  if (text === "") return "[the file is empty]";
  const lines = text.replace(/\r?\n$/, "").split("\n");
  if (offset > lines.length) return `[the file has ${lines.length} lines]`;
  const shown: string[] = [];
  let chars = 0;
  for (const line of lines.slice(offset - 1, offset - 1 + limit)) {
    const cut =
      line.length > lineCharsMax
        ? `${line.slice(0, lineCharsMax)}[… ${line.length} characters]`
        : line;
    const numbered = `${offset + shown.length}\t${cut.replace(/\r$/, "")}`;
    chars += numbered.length + 1;
    if (chars > pageCharsMax && shown.length > 0) break;
    shown.push(numbered);
  }
  const last = offset + shown.length - 1;
  if (last < lines.length) {
    shown.push(`[lines ${offset} to ${last} of ${lines.length}; go on with offset ${last + 1}]`);
  }
  return shown.join("\n");
}

export interface Replaced {
  readonly text: string;
  readonly count: number;
  /** The line, from 1, at which each replacement begins. */
  readonly lines: readonly number[];
}

/** @throws WorkspaceError where the text does not occur, or more than once without `all`. */
export function replaceText(
  text: string,
  given: string,
  replacement: string,
  all: boolean,
): Replaced {
  if (given === "") throw new WorkspaceError("no_match", "The text to replace is empty.");
  if (given === replacement) throw new WorkspaceError("no_match", "Both texts are the same.");
  // Models write plain line feeds; a file that has none keeps its own.
  const isCrlf = !text.includes(given) && text.includes("\r\n") && !given.includes("\r");
  const crlf = (plain: string): string => plain.replace(/\r?\n/g, "\r\n");
  const [from, to] = isCrlf ? [crlf(given), crlf(replacement)] : [given, replacement];
  const pieces = text.split(from);
  const count = pieces.length - 1;
  if (count === 0) throw new WorkspaceError("no_match", notFound(text, given));
  const lines: number[] = [];
  let line = 1;
  for (const piece of pieces.slice(0, -1)) {
    line += newlines(piece);
    lines.push(line);
    line += newlines(from);
  }
  if (count > 1 && !all) {
    const where = `lines ${lines.slice(0, 10).join(", ")}`;
    const advice = "Give more of what stands around it, or set replace_all.";
    throw new WorkspaceError("no_match", `The text occurs ${count} times (${where}). ${advice}`);
  }
  return { text: pieces.join(to), count, lines };
}

function newlines(text: string): number {
  return text.split("\n").length - 1;
}

function notFound(text: string, given: string): string {
  const squeezed = (value: string): string => value.replace(/\s+/g, " ").trim();
  const isNear = squeezed(text).includes(squeezed(given)) && squeezed(given) !== "";
  return isNear
    ? "The text does not occur like this, but does with other white space. Read the file again and copy it exactly."
    : "The text does not occur in the file. Read it again and copy it exactly, without the line numbers.";
}
