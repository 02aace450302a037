import type { Json, JsonObject } from "@parley/protocol";

/** Schemas may refer to themselves. */
const depthMax = 10;

/** Something small that a schema accepts, for schemas that are not too clever: what is required, and nothing else. */
export function exampleOf(schema: Json | undefined, depth = 0): Json {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return "example";
  const { enum: options, const: only, default: given, anyOf, oneOf } = schema;
  if (given !== undefined) return given;
  if (only !== undefined) return only;
  if (Array.isArray(options) && options[0] !== undefined) return options[0];
  const [choice] = [anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
  if (choice !== undefined && depth < depthMax) return exampleOf(choice, depth + 1);
  return ofType(schema, depth);
}

function ofType(schema: JsonObject, depth: number): Json {
  const { type, minimum, minLength, minItems, items } = schema;
  switch (Array.isArray(type) ? type[0] : type) {
    case "number":
    case "integer":
      return typeof minimum === "number" ? minimum : 1;
    case "boolean":
      return true;
    case "null":
      return null;
    case "array": {
      const count = typeof minItems === "number" ? Math.min(minItems, depthMax) : 0;
      return Array.from({ length: count }, () => exampleOf(items, depth + 1));
    }
    case "object":
      return depth < depthMax ? ofObject(schema, depth) : {};
    default:
      return "example".padEnd(typeof minLength === "number" ? Math.min(minLength, 1_000) : 0, ".");
  }
}

function ofObject({ properties, required }: JsonObject, depth: number): Json {
  const known =
    typeof properties === "object" && properties !== null && !Array.isArray(properties)
      ? properties
      : {};
  const names = Array.isArray(required) ? required.filter((name) => typeof name === "string") : [];
  return Object.fromEntries(names.map((name) => [name, exampleOf(known[name], depth + 1)]));
}
