import fc from "fast-check";

export interface JsonSchema {
  readonly [key: string]: unknown;
}

const depthMax = 4;
const uuid = fc.oneof(fc.uuid(), fc.constant("0190a6f0-7b3c-7d2e-8f00-0123456789ab"));

/** Values of a schema, and now and then something else in the place of any of its parts. */
export function valuesOf(
  schema: JsonSchema,
  components: Readonly<Record<string, JsonSchema>>,
  depth = 0,
): fc.Arbitrary<unknown> {
  const valid = validOf(schema, components, depth);
  return fc.oneof({ weight: 12, arbitrary: valid }, { weight: 1, arbitrary: wrong });
}

const wrong: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, -1, 1e300, 2 ** 53, "", "\u0000", "\ud800", [], {}, true),
  fc.constant("x".repeat(300_000)),
  fc.constant(JSON.parse("[".repeat(200) + "]".repeat(200)) as unknown),
  fc.constant(JSON.parse('{"__proto__": {"a": 1}, "constructor": 1}') as unknown),
);

function validOf(
  schema: JsonSchema,
  components: Readonly<Record<string, JsonSchema>>,
  depth: number,
): fc.Arbitrary<unknown> {
  const inner = (value: unknown): fc.Arbitrary<unknown> =>
    valuesOf((value ?? {}) as JsonSchema, components, depth + 1);
  if (depth > depthMax) return fc.constantFrom<unknown>(null, "x", 1, {}, []);
  const name = typeof schema["$ref"] === "string" ? schema["$ref"].split("/").at(-1) : undefined;
  if (name !== undefined) return validOf(components[name] ?? {}, components, depth + 1);
  if ("const" in schema) return fc.constant(schema["const"]);
  if (Array.isArray(schema["enum"])) return fc.constantFrom(...(schema["enum"] as unknown[]));
  const choice = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(choice)) return fc.oneof(...choice.map(inner));
  const all = schema["allOf"];
  if (Array.isArray(all)) return inner(Object.assign({}, ...(all as JsonSchema[])));
  switch (schema["type"]) {
    case "string":
      return schema["format"] === "uuid" ? uuid : fc.string({ maxLength: 30 });
    case "integer":
      return fc.oneof(fc.integer({ min: -2, max: 300 }), fc.maxSafeInteger());
    case "number":
      return fc.double();
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(inner(schema["items"]), { maxLength: 4 });
    case "object":
      return objectOf(schema, inner);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objectOf(
  schema: JsonSchema,
  inner: (value: unknown) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const required = (schema["required"] ?? []) as string[];
  const fields = Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, inner(v)]));
  const requiredKeys = required.filter((key) => key in fields);
  const whole = fc.record(fields, { requiredKeys });
  const more = fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 1 }), {
    maxKeys: 2,
  });
  return fc
    .tuple(whole, fc.option(more, { freq: 6 }))
    .map(([value, extra]) => ({ ...value, ...extra }));
}
