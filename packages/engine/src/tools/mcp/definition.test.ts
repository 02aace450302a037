import { expect, test } from "vitest";
import { endpointHash, isAllowed, type McpServerDefinition } from "./definition.ts";

const of = (allow: string[] | null, deny: string[] = []): McpServerDefinition => ({
  name: "s",
  endpoint: { type: "http", url: "http://x/", headers: {}, auth: null },
  allow,
  deny,
  approval: "never",
  delivery: "annotated",
  timeoutMs: 1,
  outputBytesMax: 1,
});

test.each([
  [of(null), "anything", true],
  [of([]), "anything", false],
  [of(["get_*"]), "get_issue", true],
  [of(["get_*"]), "forget_issue", false],
  [of(["*_issue", "x"]), "get_issue", true],
  [of(["a*b*c"]), "a-b-b-c", true],
  [of(["a*b*c"]), "a-c", false],
  [of(["ab*ba"]), "aba", false],
  [of(["*"], ["delete_*"]), "delete_all", false],
  [of(["delete_all"], ["*"]), "delete_all", false],
  [of(["a.c"]), "abc", false],
])("%j lets %s through: %s", (definition, tool, expected) => {
  expect(isAllowed(definition, tool)).toBe(expected);
});

test("an endpoint is the same whatever the order of its fields, and another with other credentials", () => {
  const base = { type: "http", url: "http://x/", auth: null } as const;
  const hash = endpointHash({ ...base, headers: { a: "1", b: "2" } });
  expect(endpointHash({ headers: { b: "2", a: "1" }, ...base })).toBe(hash);
  expect(endpointHash({ ...base, headers: { a: "1", b: "3" } })).not.toBe(hash);
  expect(endpointHash({ ...base, headers: { a: "1,b:2" } })).not.toBe(hash);
  const auth = { type: "bearer", token: "t" } as const;
  expect(endpointHash({ ...base, headers: { a: "1", b: "2" }, auth })).not.toBe(hash);
});
