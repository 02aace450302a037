import {
  ownerBudgetAnswerSchema,
  ownerUsageAnswerSchema,
  ownerUsageQuerySchema,
  setBudgetSchema,
} from "@parley/protocol";
import type { App } from "../app.ts";
import { ownerBudgetCommand, setOwnerBudgetCommand } from "../commands/owner-budget.ts";
import { ownerUsageCommand } from "../commands/usage.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { ownerParams } from "./params.ts";

const tags = ["usage"];

/** What owners have used and may use. A chat's own is with the chats. */
export function spendingRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "GET",
    url: "/usage",
    schema: {
      operationId: "getOwnerUsage",
      tags,
      summary: "What all chats of the caller have used, by day and model",
      querystring: ownerUsageQuerySchema,
      response: answers({ 200: ownerUsageAnswerSchema }),
    },
    handler: async ({ caller, query }) => await ownerUsageCommand(context, caller, query),
  });

  app.route({
    method: "GET",
    url: "/owners/:owner_id/budget",
    schema: {
      operationId: "getOwnerBudget",
      tags,
      summary: "The budget of an owner: the caller, or anybody for an administrator",
      params: ownerParams,
      response: answers({ 200: ownerBudgetAnswerSchema }, ["not_found"]),
    },
    handler: async ({ caller, params }) =>
      await ownerBudgetCommand(context, caller, params.owner_id),
  });

  app.route({
    method: "PUT",
    url: "/owners/:owner_id/budget",
    schema: {
      operationId: "setOwnerBudget",
      tags,
      summary: "Give an owner a budget in place of the deployment's: administrators only",
      params: ownerParams,
      body: setBudgetSchema,
      response: answers({ 200: ownerBudgetAnswerSchema }, [
        ...bodyRefusals,
        "forbidden",
        "not_found",
      ]),
    },
    handler: async ({ caller, params, body }) =>
      await setOwnerBudgetCommand(context, caller, params.owner_id, body),
  });
}
