import { errorStatuses, type ErrorCode } from "@parley/protocol";
import { expect } from "vitest";

/** The answer, the first of several, is one that the API knows; a refusal says which, in the form that its place promises. */
export function expectTyped(answer: Buffer): void {
  const said = answer.toString("latin1");
  expect(said).toMatch(/^HTTP\/1\.1 [1-4]\d\d /);
  expect(said).not.toMatch(/HTTP\/1\.1 5\d\d /);
  const [head = "", body = ""] = said.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  if (status < 400) return;
  if (/^content-type: application\/json/im.test(head)) {
    expect(body, said).toContain('"jsonrpc":"2.0"');
    return;
  }
  expect(head).toMatch(/^content-type: application\/problem\+json/im);
  const code = /"code":"(\w+)"/.exec(said)?.[1] as ErrorCode | undefined;
  // To HEAD there is no body.
  if (code !== undefined) expect(errorStatuses[code], said).toBe(status);
}
