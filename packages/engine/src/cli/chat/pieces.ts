import type { Json, Part } from "@parley/protocol";
import { oneLine, type Ink } from "./ink.ts";

/** One thing of a reply that stands on the screen, or will. */
export interface Piece {
  readonly kind: "text" | "reasoning" | "tool";
  readonly text: string;
}

/**
 * What is to be shown of parts, up to the first that is not whole: text may grow where it stands,
 * a line that has been written cannot.
 */
export function piecesOf(parts: readonly Part[]): Piece[] {
  const pieces: Piece[] = [];
  for (const part of parts) {
    if (part.type === "tool-call" && part.partial === true) break;
    const piece = pieceOf(part);
    if (piece !== null) pieces.push(piece);
  }
  return pieces;
}

function pieceOf(part: Part): Piece | null {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text === "" ? null : { kind: part.type, text: part.text };
    case "tool-call": {
      const input = part.input === null ? (part.input_text ?? "") : jsonText(part.input);
      return tool(`→ ${part.tool_name}(${oneLine(input)})`);
    }
    case "tool-result": {
      const output = typeof part.output === "string" ? part.output : jsonText(part.output);
      return tool(`${part.is_error ? "✗" : "←"} ${part.tool_name}: ${oneLine(output)}`);
    }
    case "source":
      return tool(
        `· ${oneLine([part.title, part.url ?? part.filename].filter(Boolean).join(" "))}`,
      );
    case "file":
      return tool(`· ${part.filename ?? "file"} (${part.media_type})`);
    case "structured-output": {
      if (part.outcome === "valid") return tool("✓ the result fits its schema");
      const [error] = part.errors ?? [];
      const where = error === undefined ? "" : `: ${error.path} ${error.message}`;
      const then = part.repairing === true ? " (asking again)" : "";
      return tool(oneLine(`✗ the result does not fit its schema${where}`) + then);
    }
    case "custom":
      return null;
    default:
      return part satisfies never;
  }
}

/**
 * JSON with its keys in the order in which the database keeps them: a part that has just arrived reads as it will when it
 * is committed.
 */
function jsonText(value: Json): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => byKey(a, b)))
      : inner,
  );
}

function byKey(a: string, b: string): number {
  return Buffer.byteLength(a) - Buffer.byteLength(b) || (a < b ? -1 : a > b ? 1 : 0);
}

function tool(text: string): Piece {
  return { kind: "tool", text };
}

export function inksOf(pieces: readonly Piece[]): Ink[] {
  return pieces.map(({ kind, text }) => ({ kind, text }));
}

/**
 * What has to be written so that `wanted` stands where `printed` stands now; null where that cannot be done
 * by writing more.
 */
export function continuation(printed: readonly Piece[], wanted: readonly Piece[]): Ink[] | null {
  const inks: Ink[] = [];
  for (const [at, piece] of printed.entries()) {
    const next = wanted[at];
    if (next?.kind !== piece.kind) return null;
    if (next.text === piece.text) continue;
    const grows = at === printed.length - 1 && piece.kind !== "tool";
    if (!grows || !next.text.startsWith(piece.text)) return null;
    inks.push({ kind: piece.kind, text: next.text.slice(piece.text.length) });
  }
  return [...inks, ...inksOf(wanted.slice(printed.length))];
}
