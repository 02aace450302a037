import type { Json, JsonObject } from "@parley/protocol";
import { expect, test } from "vitest";
import { schemaCheck } from "./schema-check.ts";

const object = (more: JsonObject): JsonObject => ({ type: "object", ...more });

test.each<[JsonObject, Json, RegExp]>([
  [object({ required: ["a"] }), {}, /^a: is required$/],
  [object({ properties: { a: object({ required: ["b"] }) } }), { a: {} }, /^a\.b: is required$/],
  [{ properties: { a: { type: "number" } } }, { a: "x" }, /^a: must be number$/],
  [object({ additionalProperties: false }), { b: 1 }, /^b: no such property$/],
  [object({ dependentRequired: { a: ["b"] } }), { a: 1 }, /must have property b/],
  // oxlint-disable-next-line unicorn/no-thenable
  [object({ if: { required: ["a"] }, then: { required: ["b"] } }), { a: 1 }, /^b: is required/],
  [object({ properties: { a: { not: { const: 1 } } } }), { a: 1 }, /^a: must NOT/],
  [object({ properties: { a: { enum: ["x", "y"] } } }), { a: "z" }, /^a: .*\["x","y"\]$/],
  [object({ properties: { a: { format: "date-time" } } }), { a: "x" }, /^a: .*date-time/],
  [
    { $defs: { n: { type: "number" } }, properties: { a: { $ref: "#/$defs/n" } } },
    { a: "x" },
    /^a: must be number/,
  ],
  [object({}), [1], /^input: must be object$/],
])("%j refuses %j", (schema, input, problem) => {
  expect(schemaCheck(schema)(input)).toEqual({
    ok: false,
    problem: expect.stringMatching(problem),
  });
});

test("fills in defaults, and leaves what it was given as it was", () => {
  const check = schemaCheck(object({ properties: { a: { default: 4 } } }));
  const input = { b: 1 };
  expect(check(input)).toEqual({ ok: true, input: { a: 4, b: 1 } });
  expect(input).toEqual({ b: 1 });
});

test("takes a schema of an older draft, one twice, and one that cannot be compiled at its word", () => {
  const old = { $schema: "http://json-schema.org/draft-07/schema#", ...object({ $id: "s" }) };
  expect(schemaCheck(old)({})).toEqual({ ok: true, input: {} });
  expect(schemaCheck(old)(1)).toMatchObject({ ok: false });
  expect(schemaCheck({ type: "no such type" })(1)).toEqual({ ok: true, input: 1 });
});
