import type { JsonObject } from "@parley/protocol";
import { afterAll, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { SchemaChecker, SchemasUnavailable } from "./checker.ts";

const checker = new SchemaChecker({ clock: systemClock });

afterAll(async () => await checker.stop());

const check = async (schema: JsonObject, value: unknown) =>
  await checker.check(schema, JSON.stringify(value));

const person = {
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  properties: { name: { type: "string", minLength: 1 }, at: { type: "string", format: "date" } },
  required: ["name"],
  additionalProperties: false,
} satisfies JsonObject;

test("a value that fits is valid, and one that does not is told what is wrong with it", async () => {
  expect(await check(person, { name: "Ada", at: "1815-12-10" })).toEqual({ kind: "valid" });
  expect(await check(person, { name: "", at: "soon", age: 3 })).toEqual({
    kind: "invalid",
    errors: expect.arrayContaining([
      { path: "", message: "must NOT have additional properties: age" },
      { path: "/name", message: "must NOT have fewer than 1 characters" },
      { path: "/at", message: 'must match format "date"' },
    ]),
  });
});

test("what is no schema is unusable, also where no value is given", async () => {
  expect(await checker.check({ type: "person" }, null)).toMatchObject({ kind: "unusable" });
  expect(await checker.check({ $ref: "#/$defs/gone" }, null)).toMatchObject({ kind: "unusable" });
  expect(await checker.check(person, null)).toEqual({ kind: "valid" });
});

test("references that lead round in a circle do not hang it", async () => {
  expect(await check({ $ref: "#" }, {})).toMatchObject({ kind: "unusable" });
  const tree = { type: "object", properties: { child: { $ref: "#" } }, required: ["child"] };
  expect(await check(tree, { child: {} })).toMatchObject({ kind: "invalid" });
});

test("what takes too long is ended, and what waits behind it is checked all the same", async () => {
  const backtracks = check({ type: "string", pattern: "^(a+)+$" }, `${"a".repeat(40)}!`);
  const behind = check(person, { name: "Ada" });
  expect(await backtracks).toMatchObject({
    kind: "unusable",
    reason: expect.stringContaining("longer than"),
  });
  expect(await behind).toEqual({ kind: "valid" });

  const doubling = Object.fromEntries(
    Array.from({ length: 60 }, (_, n) => [
      `d${n}`,
      { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
    ]),
  );
  const schema = { $ref: "#/$defs/d0", $defs: { ...doubling, d60: { type: "string" } } };
  expect(await check(schema, "x")).toMatchObject({ kind: "unusable" });
  expect(await check(person, { name: "Ada" })).toEqual({ kind: "valid" });
});

test("who asks a checker that stops, or has stopped, is told to try again, and nothing of the schema", async () => {
  const other = new SchemaChecker({ clock: systemClock });
  const pending = other.check(person, "{}");
  await Promise.all([expect(pending).rejects.toBeInstanceOf(SchemasUnavailable), other.stop()]);
  await expect(other.check(person, null)).rejects.toMatchObject({ code: "unavailable" });
});

test("so is who asks one whose thread does not come up", async () => {
  const script = new URL("./no-such-thread.ts", import.meta.url);
  const other = new SchemaChecker({ clock: systemClock, script });
  await expect(other.check(person, null)).rejects.toBeInstanceOf(SchemasUnavailable);
  await expect(other.check(person, "{}")).rejects.toMatchObject({ code: "unavailable" });
  await other.stop();
});
