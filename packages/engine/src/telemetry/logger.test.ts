import { describe, expect, it } from "vitest";
import type { Logger } from "../lib/logger.ts";
import { ParleyError } from "../lib/errors.ts";
import { createLogger, type LoggerOptions } from "./logger.ts";

function capture(options: Partial<LoggerOptions> = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "json",
    secrets: [],
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) },
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines };
}

const token = `parley_${"A1b2".repeat(10)}`;

describe("the log", () => {
  it("is one JSON object per line, with the clock's time", () => {
    const { logger, lines } = capture();
    logger.child({ replica: "r1" }).info({ chat_id: "c" }, "hello");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 30,
      time: "2026-01-02T03:04:05.006Z",
      replica: "r1",
      chat_id: "c",
      msg: "hello",
    });
  });

  it("leaves out what is below its level", () => {
    const { logger, lines } = capture({ level: "warn" });
    logger.info({}, "no");
    logger.warn({}, "yes");
    expect(lines).toHaveLength(1);
  });

  it.each([
    ["a field with a telling name", { authorization: "zzz-secret" }, "zzz-secret"],
    ["a nested header", { req: { headers: { cookie: "zzz-secret" } } }, "zzz-secret"],
    ["a token anywhere", { path: `/x/${token}` }, token],
    ["a query", { url: "/?token=zzz-secret&a=1" }, "zzz-secret"],
    ["a bearer", { note: "sent Bearer zzz.secret" }, "zzz.secret"],
    ["a database URL", { err: new Error("postgres://u:zzz-secret@h/d") }, "zzz-secret"],
    ["a provider key", { note: "sk-proj-zzzsecret" }, "zzzsecret"],
    ["a known secret", { note: 'my "quoted" pass' }, "quoted"],
    ["a child's field", { api_key: "zzz-secret" }, "zzz-secret"],
  ])("never holds %s", (_what, fields, secret) => {
    const { logger, lines } = capture({ secrets: ['my "quoted" pass'] });
    logger.info(fields, `message with ${token}`);
    logger.child(fields).error({}, "again");
    const text = lines.join("");
    expect(lines).toHaveLength(2);
    expect(text).not.toContain(secret);
    expect(text).not.toContain(token);
    expect(text).toContain("[redacted]");
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it("shows an error with code and cause, but not the properties that libraries hang on it", () => {
    const { logger, lines } = capture();
    const cause = Object.assign(new Error("duplicate key"), { code: "23505", detail: "row data" });
    const err = new ParleyError("statement_failed", "no", { cause, details: { statement: "x" } });
    logger.error({ err }, "failed");
    expect(lines[0]).not.toContain("row data");
    expect(JSON.parse(lines[0]!)).toMatchObject({
      err: {
        type: "ParleyError",
        code: "statement_failed",
        details: { statement: "x" },
        cause: { code: "23505", message: "duplicate key" },
      },
    });
  });

  it("survives cycles, huge texts and whatever else is put in", () => {
    const { logger, lines } = capture();
    const loop: Record<string, unknown> = { big: 1n, date: new Date(Number.NaN), f: () => 1 };
    loop["self"] = loop;
    logger.info({ loop, text: "x".repeat(100_000), bytes: new Uint8Array(9) }, "odd");
    expect(lines[0]!.length).toBeLessThan(10_000);
  });

  it("is readable as text, on one line however odd the values", () => {
    const { logger, lines } = capture({ format: "text" });
    logger.warn({ code: "57P01", note: "two\nlines \u001b[2J" }, "lost a connection");
    const expected =
      '03:04:05.006 warn  lost a connection  code=57P01 note="two\\nlines \\u001b[2J"\n';
    expect(lines).toEqual([expected]);
  });

  it("colours text only when asked to", () => {
    const { logger, lines } = capture({ format: "text", colour: true });
    logger.error({ err: new Error("why") }, "failed");
    expect(lines[0]).toContain("\u001b[31merror");
    expect(lines[0]).toContain("    Error: why");
  });
});
