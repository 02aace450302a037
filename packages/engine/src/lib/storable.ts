import type { Json } from "@parley/protocol";

/**
 * PostgreSQL's jsonb takes neither U+0000 nor half a surrogate pair, and a client's UTF-8 frame neither the latter.
 * What comes from outside is mended once, at the door: each is replaced by U+FFFD.
 */
export function storableText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes("\0") ? wellFormed.replaceAll("\0", "\ufffd") : wellFormed;
}

/** Deeper values than this cannot be trusted to survive recursive code elsewhere. */
const jsonDepthMax = 200;

/**
 * The value as JSON would carry it: `undefined` left out, numbers finite, text storable.
 *
 * @throws RangeError when it is nested deeper than 200 levels.
 * @throws TypeError for what JSON has no form for.
 */
export function storableJson(value: unknown, depth = 0): Json {
  if (depth > jsonDepthMax) throw new RangeError(`nested deeper than ${jsonDepthMax} levels`);
  switch (typeof value) {
    case "string":
      return storableText(value);
    case "number":
      return Number.isFinite(value) ? value + 0 : null;
    case "boolean":
      return value;
    case "undefined":
      return null;
    case "object":
      break;
    default:
      throw new TypeError(`JSON has no form for a ${typeof value}`);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item) => storableJson(item, depth + 1));
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return storableJson((value.toJSON as () => unknown)(), depth + 1);
  }
  // fromEntries defines and never assigns, so a key "__proto__" stays a key.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [storableText(key), storableJson(item, depth + 1)]),
  );
}

/** `storableText` for text that arrives in pieces: a pair that is split over two of them stays whole. */
export class StorableStream {
  #held = "";

  push(piece: string): string {
    const text = this.#held + piece;
    const last = text.charCodeAt(text.length - 1);
    const isHalf = last >= 0xd800 && last <= 0xdbff;
    this.#held = isHalf ? text.slice(-1) : "";
    return storableText(isHalf ? text.slice(0, -1) : text);
  }

  /** What is left when nothing more comes. */
  end(): string {
    const text = storableText(this.#held);
    this.#held = "";
    return text;
  }
}
