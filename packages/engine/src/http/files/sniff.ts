import { fileTypeFromBuffer } from "file-type";

/** What has no type that anybody could name. */
const unknownType = "application/octet-stream";

/** Formats that may consist of nothing but text; by their first bytes any other is meant to be binary. */
const textualFormats = /^(text\/|application\/(pdf|postscript|rtf|xml)$)/;

/** What a file's name may add to "this is text". It never makes text of what is none, or anything else of text. */
const textTypes: Readonly<Record<string, string>> = {
  md: "text/markdown",
  markdown: "text/markdown",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  html: "text/html",
  htm: "text/html",
  css: "text/css",
  js: "text/javascript",
  mjs: "text/javascript",
  json: "application/json",
  xml: "application/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
  toml: "application/toml",
  sql: "application/sql",
};

/**
 * The type of a file, by its content: what a client calls it may be a mistake or a lie.
 *
 * @param head its beginning; the more, the surer
 * @param isText all of it is text: see `TextWatch`
 */
export async function sniffType(head: Uint8Array, isText: boolean, name: string): Promise<string> {
  const found =
    head.length === 0 ? undefined : await fileTypeFromBuffer(head).catch(() => undefined);
  const type = found?.mime.split(";", 1)[0]?.trim().toLowerCase();
  if (!isText) return type === undefined || type.startsWith("text/") ? unknownType : type;
  const markup = markupType(head);
  if (markup !== null) return markup;
  // A few letters are enough for some formats: "BM is short for" would be a picture.
  if (type !== undefined && textualFormats.test(type)) return type;
  return textTypes[extensionOf(name)] ?? "text/plain";
}

/** What a browser would run or draw must be known as such, whatever its name is. */
function markupType(head: Uint8Array): "image/svg+xml" | "text/html" | null {
  const text = new TextDecoder().decode(head.subarray(0, markupBytesMax));
  const start = text.replace(/^(?:\s+|<\?xml[^>]*>|<!--[^]*?-->|<!doctype\s+svg[^>]*>)+/i, "");
  if (/^<(?:\w+:)?svg[\s>/]/i.test(start)) return "image/svg+xml";
  return /^<(?:!doctype\s+html|html|head|body|script|iframe)[\s>/]/i.test(start)
    ? "text/html"
    : null;
}

const markupBytesMax = 4_096;

function extensionOf(name: string): string {
  return /\.([a-z0-9]{1,10})$/i.exec(name)?.[1]?.toLowerCase() ?? "";
}

/** Sees a file go by, and knows in the end whether all of it was text: valid UTF-8 without control characters. */
export class TextWatch {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #isText = true;

  push(bytes: Uint8Array): void {
    this.#look(bytes);
  }

  end(): boolean {
    this.#look();
    return this.#isText;
  }

  #look(bytes?: Uint8Array): void {
    if (!this.#isText) return;
    try {
      const text = this.#decoder.decode(bytes, { stream: bytes !== undefined });
      this.#isText = !controls.test(text);
    } catch {
      this.#isText = false;
    }
  }
}

/** Tab, line ends, form feed and escape (coloured logs) are found in text. */
const controls = /[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]/;
