import { limits } from "@parley/protocol";

const nameless = "file";

/** A name that is fit to be shown and stored: no path, no control characters, never empty. */
export function cleanName(given: string | undefined): string {
  const name = (given ?? "")
    .toWellFormed()
    .replace(/^.*[/\\]/s, "")
    // Also what turns the direction of text around: "exe.fdp" would read as "pdf.exe".
    .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "")
    .trim();
  // Half a character that the cut leaves at the end is none.
  const cut = name.slice(0, limits.fileNameCharsMax);
  const clean = name.length > cut.length ? cut.replace(/[\ud800-\udbff]$/, "") : cut;
  return clean === "" || clean === "." || clean === ".." ? nameless : clean;
}

/** `Content-Disposition` (RFC 6266), the name in both spellings. */
export function disposition(kind: "inline" | "attachment", name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
