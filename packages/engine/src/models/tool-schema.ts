import type { Json, JsonObject } from "@parley/protocol";

/**
 * A tool's schema as providers take it. OpenAI and Anthropic refuse a call in which any tool has alternatives at the top of
 * its schema, so one such tool of an MCP server would end every chat. The model is shown the properties of all of them;
 * whoever runs the tool checks the arguments by the whole schema.
 */
export function offeredSchema(schema: JsonObject): JsonObject & { type: "object" } {
  const { allOf, anyOf, oneOf, not: _not, enum: _enum, ...rest } = schema;
  const parts = [allOf, anyOf, oneOf].flatMap((part) => (Array.isArray(part) ? part : []));
  const objects = parts.filter(isObject);
  const properties = Object.assign({}, ...objects.map(propertiesOf), propertiesOf(rest)) as object;
  const always = Array.isArray(allOf) ? allOf.filter(isObject) : [];
  const required = new Set([rest, ...always].flatMap(requiredOf));
  return {
    ...rest,
    type: "object",
    properties: properties as JsonObject,
    ...(required.size > 0 && { required: [...required] }),
  };
}

function propertiesOf({ properties }: JsonObject): JsonObject {
  return isObject(properties) ? properties : {};
}

function requiredOf({ required }: JsonObject): Json[] {
  return Array.isArray(required) ? required : [];
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
