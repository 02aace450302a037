import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import type { Job, SchemaError, Verdict } from "./job.ts";

const errorsMax = 20;
const errorCharsMax = 300;
const pathCharsMax = 200;

const ajv = new Ajv2020({
  strict: false,
  allErrors: true,
  logger: false,
  // Written out at every reference, a small schema can become a huge program.
  inlineRefs: false,
});
formats.default(ajv);

/** May take for ever, and all memory: whoever cannot trust the schema asks for it in a thread. */
export function verdictOn({ schema: text, value }: Pick<Job, "schema" | "value">): Verdict {
  // Which dialect it names has been looked at; naming another one than the newest would only be refused here.
  const { $schema: _, ...schema } = JSON.parse(text) as Record<string, unknown>;
  try {
    const validate = ajv.compile(schema);
    if (value === null || validate(JSON.parse(value))) return { kind: "valid" };
    return { kind: "invalid", errors: (validate.errors ?? []).slice(0, errorsMax).map(errorOf) };
  } catch (error) {
    // References that lead round in a circle end here too, as a stack that is full.
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "unusable", reason: reason.slice(0, errorCharsMax) };
  } finally {
    ajv.removeSchema(schema);
  }
}

function errorOf({ instancePath, message, params, keyword }: ErrorObject): SchemaError {
  const allowed = keyword === "enum" ? `: ${JSON.stringify(params["allowedValues"])}` : "";
  const extra = keyword === "additionalProperties" ? `: ${params["additionalProperty"]}` : "";
  return {
    path: instancePath.slice(0, pathCharsMax),
    message: `${message ?? keyword}${allowed}${extra}`.slice(0, errorCharsMax),
  };
}
