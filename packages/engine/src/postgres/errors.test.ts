import { describe, expect, test } from "vitest";
import { ParleyError } from "../lib/errors.ts";
import {
  CommitRefused,
  CommitUnknown,
  DatabaseUnavailable,
  isRetryableInTransaction,
  isTransient,
  isUniqueViolation,
  sqlState,
  StatementFailed,
  type SqlStateError,
} from "./errors.ts";

function fromServer(code: string, extra: Partial<SqlStateError> = {}): SqlStateError {
  return Object.assign(new Error(`server says ${code}`), { code, severity: "ERROR", ...extra });
}

describe("isTransient", () => {
  test.each([
    ["40001", true],
    ["40P01", true],
    ["53100", true],
    ["53300", true],
    ["55P03", true],
    ["57014", true],
    ["57P01", true],
    ["57P02", true],
    ["57P03", true],
    ["08006", true],
    ["08P01", true],
    ["25006", true],
    ["23505", false],
    ["42P01", false],
    ["22P02", false],
    ["28P01", false],
  ])("%s: %s, bare and wrapped", (code, transient) => {
    const bare = fromServer(code);
    const wrapped = new ParleyError("outer", "outer", { cause: new StatementFailed("s", bare) });
    expect([isTransient(bare), isTransient(wrapped)]).toEqual([transient, transient]);
  });

  test("lost connections and lost commit answers are, refusals and our own errors are not", () => {
    expect(isTransient(new DatabaseUnavailable("lost"))).toBe(true);
    expect(isTransient(new CommitUnknown(new Error("gone")))).toBe(true);
    expect(isTransient(new CommitRefused("ROLLBACK"))).toBe(false);
    expect(isTransient(DatabaseUnavailable.connecting(fromServer("28P01")))).toBe(false);
    expect(isTransient(DatabaseUnavailable.connecting(fromServer("57P03")))).toBe(true);
    expect(isTransient(new TypeError("bug"))).toBe(false);
    expect(isTransient(undefined)).toBe(false);
  });

  test("an operating system's error code is not taken for an SQLSTATE", () => {
    const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    expect(sqlState(error)).toBeUndefined();
    expect(isTransient(DatabaseUnavailable.connecting(error))).toBe(true);
  });
});

test("only deadlocks and serialization failures run a transaction again", () => {
  expect(isRetryableInTransaction(new StatementFailed("s", fromServer("40P01")))).toBe(true);
  expect(isRetryableInTransaction(new StatementFailed("s", fromServer("55P03")))).toBe(false);
});

test("a unique violation is found by its constraint", () => {
  const error = new StatementFailed("s", fromServer("23505", { constraint: "a_key" }));
  expect(isUniqueViolation(error, "a_key")).toBe(true);
  expect(isUniqueViolation(error, "b_key")).toBe(false);
  expect(isUniqueViolation(new StatementFailed("s", fromServer("23503")))).toBe(false);
});

test("messages and details name neither password nor row", () => {
  const cause = fromServer("23505", { message: 'duplicate key value violates "a_key"' });
  Object.assign(cause, { detail: "Key (title)=(my secret) already exists." });
  const { message, details } = new StatementFailed("insert_a", cause);
  expect(JSON.stringify({ message, details })).not.toContain("my secret");
});
