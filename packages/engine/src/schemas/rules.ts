import type { JsonObject } from "@parley/protocol";

/** A schema is stored with its message and sent with every model call of the turn. */
const schemaBytesMax = 32 * 1024;
/** Deeper than anybody writes; compiling and prompting recurse. */
const schemaDepthMax = 40;

/** Their values are data, not schemas: what looks like a keyword in them is none. */
const dataKeywords: ReadonlySet<string> = new Set(["const", "default", "enum", "examples"]);

/** What changes where references lead, and what only makes sense with it. */
const refusedKeywords: ReadonlySet<string> = new Set([
  "$id",
  "$anchor",
  "$dynamicRef",
  "$dynamicAnchor",
  "$recursiveRef",
  "$recursiveAnchor",
  "$vocabulary",
]);

/** Older drafts are taken as what they have in common with the newest. */
const dialects =
  /^https?:\/\/json-schema\.org\/(draft-0[67]|draft\/2019-09|draft\/2020-12)\/schema#?$/;

/** What a schema from outside may not be, whoever is going to use it; null where there is nothing to say against it. */
export function schemaProblem(schema: JsonObject): string | null {
  if (Buffer.byteLength(JSON.stringify(schema)) > schemaBytesMax) {
    return `it is larger than ${schemaBytesMax} bytes`;
  }
  const dialect = schema["$schema"];
  if (dialect !== undefined && (typeof dialect !== "string" || !dialects.test(dialect))) {
    return "its $schema is not that of JSON Schema draft 2020-12";
  }
  const stack: { readonly value: unknown; readonly depth: number }[] = [
    { value: schema, depth: 1 },
  ];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    const { value, depth } = item;
    if (typeof value !== "object" || value === null) continue;
    if (depth > schemaDepthMax) return `it is nested deeper than ${schemaDepthMax} levels`;
    for (const [key, child] of Object.entries(value)) {
      // A property may have such a name: its value is a schema then, and no text.
      if (typeof child === "string") {
        if (refusedKeywords.has(key)) return `it uses ${key}`;
        if (key === "$ref" && !child.startsWith("#")) {
          return `it refers to ${child.slice(0, 100)}: only references into the schema itself (#/…) are followed`;
        }
      }
      if (!dataKeywords.has(key)) stack.push({ value: child, depth: depth + 1 });
    }
  }
  return null;
}
