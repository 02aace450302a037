import type { ResponseFormat } from "@parley/protocol";
import { schemaProblem } from "../../schemas/rules.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest } from "../errors.ts";

/**
 * A schema is refused here rather than after the model has worked on it.
 *
 * @throws InvalidRequest, TooManyChecks, SchemasUnavailable
 */
export async function checkResponseFormat(
  format: ResponseFormat | null | undefined,
  { schemas }: HttpContext,
): Promise<void> {
  if (format === null || format === undefined) return;
  const problem = schemaProblem(format.schema) ?? (await problemOf(format, schemas));
  if (problem === null) return;
  throw new InvalidRequest(`response_format.schema cannot be used: ${problem}.`);
}

async function problemOf(
  { schema }: ResponseFormat,
  schemas: HttpContext["schemas"],
): Promise<string | null> {
  const verdict = await schemas.check(schema, null);
  return verdict.kind === "unusable" ? verdict.reason : null;
}
