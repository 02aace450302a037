import type { JsonObject } from "@parley/protocol";
import { expect, test } from "vitest";
import { schemaProblem } from "./rules.ts";

const nested = (levels: number): JsonObject =>
  levels === 0 ? { type: "string" } : { items: nested(levels - 1) };

test.each<[string, JsonObject, RegExp]>([
  ["a remote reference", { items: { $ref: "https://example.com/s.json" } }, /refers to https/],
  ["a relative reference", { properties: { a: { $ref: "other.json" } } }, /refers to other/],
  ["another base", { $id: "https://example.com/" }, /uses \$id/],
  ["a dynamic reference", { $dynamicRef: "#a" }, /uses \$dynamicRef/],
  ["another language", { $schema: "https://example.com/schema" }, /\$schema/],
  ["a schema that is too deep", nested(60), /deeper/],
  ["a schema that is too large", { description: "x".repeat(40_000) }, /larger/],
])("%s is refused", (_, schema, problem) => {
  expect(schemaProblem(schema)).toMatch(problem);
});

test.each<[string, JsonObject]>([
  ["an empty one", {}],
  ["a reference into itself", { $ref: "#/$defs/a", $defs: { a: { type: "string" } } }],
  ["properties that are named like keywords", { properties: { $id: { type: "string" } } }],
  ["data that looks like a keyword", { const: { $ref: "https://example.com" } }],
  ["draft 7", { $schema: "http://json-schema.org/draft-07/schema#", type: "object" }],
])("%s is let through", (_, schema) => {
  expect(schemaProblem(schema)).toBeNull();
});
