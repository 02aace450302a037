import type { Json } from "@parley/protocol";

/** Longer values are cut: the screen is no place to read megabytes. */
export const shownCharsMax = 100_000;

/** A JSON object, and no list. */
export function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as people read it: text as it is, everything else as JSON. */
export function readable(value: Json): { text: string; language: string } {
  if (typeof value === "string") return { text: cut(value), language: looksLikeJson(value) };
  return { text: cut(JSON.stringify(value, null, 2)), language: "json" };
}

/** The most telling bit of a call's arguments, for one line. */
export function inputSummary(input: Json): string {
  if (typeof input === "string") return oneLine(input);
  if (typeof input !== "object" || input === null) return input === null ? "" : String(input);
  const values = Object.values(input).filter((value) => value !== null && value !== "");
  const texts = values.map((value) =>
    typeof value === "object" ? JSON.stringify(value) : String(value),
  );
  return oneLine(texts.join(" · "));
}

const summaryCharsMax = 160;

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > summaryCharsMax ? `${line.slice(0, summaryCharsMax).toWellFormed()}…` : line;
}

function cut(text: string): string {
  if (text.length <= shownCharsMax) return text;
  return `${text.slice(0, shownCharsMax).toWellFormed()}\n… ${text.length - shownCharsMax} more characters`;
}

function looksLikeJson(text: string): string {
  return /^\s*[[{]/.test(text) && /[\]}]\s*$/.test(text) ? "json" : "";
}
