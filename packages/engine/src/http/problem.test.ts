import { errorStatuses, problemSchema, type ErrorCode } from "@parley/protocol";
import { describe, expect, test } from "vitest";
import * as domainErrors from "../domain/errors.ts";
import * as fileErrors from "../domain/files.ts";
import { ParleyError } from "../lib/errors.ts";
import { CommitUnknown, DatabaseUnavailable } from "../postgres/errors.ts";
import * as httpErrors from "./errors.ts";
import { problemOf } from "./problem.ts";

/** The one total map from errors to answers. */

describe("every code", () => {
  test.each(Object.entries(errorStatuses))("%s answers %i", (code, status) => {
    const problem = problemOf(new ParleyError(code, "why", { details: { a: 1 } }), "r-1");
    expect(problem.status).toBe(status);
    expect(problemSchema.parse(problem.body)).toEqual(problem.body);
    expect(problem.body).toMatchObject({ code, request_id: "r-1" });
    expect(problem.internal).toBe(code === "internal");
  });

  test("of the machine's refusals and of ours has a status", () => {
    const samples: ParleyError[] = [
      new domainErrors.ChatNotFound("x"),
      new domainErrors.InvalidState("x", "interrupt"),
      new domainErrors.TransitionRejected("interrupt", "W", "no"),
      new domainErrors.ChatBusy("R0"),
      new domainErrors.MessageNotFound(1),
      new domainErrors.QueuedMessageNotFound(1),
      new domainErrors.QueueFull(1),
      new domainErrors.ToolResultMismatch("no", ["a"]),
      new domainErrors.NothingToCompact(),
      new domainErrors.NothingToClear(),
      new domainErrors.NothingToRetry(),
      new domainErrors.NotFamilyRoot("x"),
      new domainErrors.IdempotencyKeyReused("k"),
      new httpErrors.InvalidRequest("no"),
      new httpErrors.MalformedJson("no"),
      new httpErrors.PayloadTooLarge("It", 1),
      new httpErrors.HeadersTooLarge(1),
      new httpErrors.RequestTimeout(1),
      new httpErrors.Unauthorized(),
      new httpErrors.Forbidden("no"),
      new httpErrors.NotFound(),
      new httpErrors.MethodNotAllowed("PUT", ["GET"]),
      new httpErrors.NotAcceptable(),
      new httpErrors.UnknownModel("m"),
      new httpErrors.UnsupportedBody("no"),
      new httpErrors.FileTypeRefused("text/html", ["image/*"]),
      new httpErrors.RangeNotSatisfiable(1),
      new fileErrors.FileNotFound("f"),
      new fileErrors.FileExpired("f"),
      new fileErrors.TooManyFiles(1),
      new fileErrors.FileSpaceUsedUp(1),
      new httpErrors.InvalidListCursor(),
      new httpErrors.Draining(),
    ];
    for (const error of samples) {
      const problem = problemOf(error, "r");
      expect([error.name, problem.status]).toEqual([
        error.name,
        errorStatuses[error.code as ErrorCode],
      ]);
      expect(problem.body.detail).toBe(error.message);
    }
    // A refusal that is added has to be added here.
    const classes = [...Object.values(domainErrors), ...Object.values(httpErrors)];
    const tested = new Set<unknown>(samples.map((error) => error.constructor));
    const untested = classes.filter((one) => !tested.has(one)).map((one) => one.name);
    expect(untested).toEqual(["FenceLost"]); // the worker's alone
  });
});

test.each([
  ["an error of the language", new TypeError("secret")],
  ["a thrown text", "secret"],
  ["nothing", undefined],
  ["a code that is not the API's", new ParleyError("int8_out_of_range", "secret")],
  ["an error of the database's inside", new ParleyError("statement_failed", "secret")],
])("%s is internal and says nothing", (_what, error) => {
  const problem = problemOf(error, "r");
  expect([problem.status, problem.internal]).toEqual([500, true]);
  expect(JSON.stringify(problem)).not.toContain("secret");
});

test("a database that is away says when to come back, and nothing of its inside", () => {
  for (const error of [
    new DatabaseUnavailable("lost", new Error("secret")),
    new DatabaseUnavailable("refused", new Error("secret")),
    new CommitUnknown(new Error("secret")),
    new ParleyError("statement_failed", "secret", { cause: diskFull() }),
  ]) {
    const problem = problemOf(error, "r");
    expect([problem.status, problem.body.code]).toEqual([503, "database_unavailable"]);
    expect(problem.headers).toEqual({ "retry-after": "1" });
    expect(JSON.stringify(problem)).not.toContain("secret");
  }
});

function diskFull(): Error {
  return Object.assign(new Error("secret: no space left"), { code: "53100", severity: "ERROR" });
}
