import {
  hasZodFastifySchemaValidationErrors,
  type ZodFastifySchemaValidationError,
} from "fastify-type-provider-zod";
import { ParleyError } from "../lib/errors.ts";
import { InvalidRequest, MalformedJson, NotFound, PayloadTooLarge } from "./errors.ts";

/** More than these say nothing new. */
const issuesMax = 20;

/** What the framework, its validation or its parsers refuse, in our terms; anything else as it came. */
export function translateFrameworkError(error: unknown, requestBodyBytesMax: number): unknown {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = (error as { validationContext?: string }).validationContext ?? "body";
    return invalidRequest(where, error.validation);
  }
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new PayloadTooLarge("The request", requestBodyBytesMax);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new ParleyError("unsupported_media_type", "The body must be application/json.");
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new MalformedJson("it is empty");
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new InvalidRequest("The body is not as long as Content-Length says.");
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new NotFound();
    default:
      return error;
  }
}

function invalidRequest(
  where: string,
  validation: readonly ZodFastifySchemaValidationError[],
): InvalidRequest {
  const place = where === "querystring" ? "query" : where;
  const issues = validation.slice(0, issuesMax).map((issue) => ({
    in: place,
    path: issue.instancePath
      .split("/")
      .slice(1)
      .filter((step) => step !== ""),
    message: issue.message ?? "invalid",
  }));
  const [first] = issues;
  const at =
    first === undefined || first.path.length === 0 ? place : `${place}.${first.path.join(".")}`;
  return new InvalidRequest(`The request is not valid: ${at}: ${first?.message ?? "invalid"}.`, {
    issues,
  });
}
