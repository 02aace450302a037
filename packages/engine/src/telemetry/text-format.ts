const levelNames: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
};

const dim = "\u001b[2m";
const colours: Readonly<Record<string, string>> = { warn: "\u001b[33m", error: "\u001b[31m" };
const plain = "\u001b[0m";

/** One JSON log line as a person reads it: `09:14:03.120 warn  lost a database connection  code=57P01`. */
export function formatText(line: string, colour: boolean): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as {
    level: number;
    time: string;
    msg?: string;
    err?: { message?: string; stack?: string };
    [field: string]: unknown;
  };
  const name = levelNames[level] ?? String(level);
  const paint = (code: string | undefined, text: string): string =>
    colour && code !== undefined ? `${code}${text}${plain}` : text;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`);
  const head = `${paint(dim, time.slice(11, 23))} ${paint(colours[name], name.padEnd(5))} ${msg ?? ""}`;
  const tail = rest.length === 0 ? "" : `  ${paint(dim, rest.join(" "))}`;
  return `${head}${tail}\n${errorText(err)}`;
}

/** Control characters in a value could forge a line, or move a terminal's cursor. */
function shown(value: unknown): string {
  if (typeof value === "string" && /^[!-~]+$/.test(value) && !value.includes('"')) return value;
  return (JSON.stringify(value) ?? "undefined").replace(/[\u007f-\u009f]/g, "?");
}

function errorText(err: { message?: string; stack?: string } | undefined): string {
  const text = err?.stack ?? err?.message;
  if (text === undefined) return "";
  return `${text.replace(/^/gm, "    ").replace(/[^\n\t -~\u00a0-\uffff]/g, "?")}\n`;
}
