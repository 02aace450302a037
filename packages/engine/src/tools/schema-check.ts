import type { Json, JsonObject } from "@parley/protocol";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import formats from "ajv-formats";

const problemsShownMax = 5;

/** One that is told of with a schema of an older draft or another vocabulary is not held against it. */
const ajv = new Ajv2020({ strict: false, allErrors: true, useDefaults: true, logger: false });
formats.default(ajv);

type Check = (input: Json) => { ok: true; input: Json } | { ok: false; problem: string };

/**
 * Checks arguments by the JSON Schema that a deployment gave its tool; defaults are filled in. One that cannot be compiled
 * lets everything through: the tool then checks its input itself.
 */
export function schemaCheck(schema: JsonObject): Check {
  const { $schema: _, ...rest } = schema;
  try {
    const validate = ajv.compile<Json>(rest);
    ajv.removeSchema(rest);
    return (input) => {
      // Defaults are written into what is checked, which is the message's own copy.
      const own = structuredClone(input);
      if (validate(own)) return { ok: true, input: own };
      const problems = (validate.errors ?? []).slice(0, problemsShownMax).map(problemOf);
      return { ok: false, problem: problems.join("; ") };
    };
  } catch {
    return (input) => ({ ok: true, input });
  }
}

function problemOf({ instancePath, keyword, params, message }: ErrorObject): string {
  const path = instancePath.slice(1).replaceAll("/", ".");
  const at = (name: unknown): string => (path === "" ? String(name) : `${path}.${String(name)}`);
  if (keyword === "required") return `${at(params["missingProperty"])}: is required`;
  if (keyword === "additionalProperties") {
    return `${at(params["additionalProperty"])}: no such property`;
  }
  const allowed = keyword === "enum" ? `: ${JSON.stringify(params["allowedValues"])}` : "";
  return `${path === "" ? "input" : path}: ${message ?? keyword}${allowed}`;
}
