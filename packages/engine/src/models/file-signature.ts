/** Of what is looked at; a PDF may have something in front of it. */
const signatureBytes = 1_024;

const signatures: Readonly<Record<string, (start: Buffer) => boolean>> = {
  "image/png": (start) => start.subarray(0, 8).toString("latin1") === "\x89PNG\r\n\x1a\n",
  "image/jpeg": (start) => start.subarray(0, 3).toString("latin1") === "\xff\xd8\xff",
  "image/gif": (start) => /^GIF8[79]a/.test(start.subarray(0, 6).toString("latin1")),
  "image/webp": (start) => /^RIFF[^]{4}WEBP/.test(start.subarray(0, 12).toString("latin1")),
  "application/pdf": (start) => start.includes("%PDF-"),
};

/**
 * The media type that the content has, where one of the kinds was said that every provider looks into: pictures and PDFs.
 * Null where it is none of them; of other kinds what was said is taken.
 *
 * @param data base64
 */
export function typeOfContent(said: string, data: string): string | null {
  if (!Object.hasOwn(signatures, said) && said !== "image/jpg") return said;
  const start = Buffer.from(data.slice(0, Math.ceil((signatureBytes * 4) / 3)), "base64");
  const found = Object.entries(signatures).find(([, fits]) => fits(start));
  return found?.[0] ?? null;
}
