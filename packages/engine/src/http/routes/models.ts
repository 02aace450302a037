import { modelsAnswerSchema } from "@parley/protocol";
import type { App } from "../app.ts";
import type { HttpContext } from "../context.ts";
import { answers } from "../openapi.ts";

export function modelRoutes(app: App, { models }: HttpContext): void {
  app.route({
    method: "GET",
    url: "/models",
    schema: {
      operationId: "listModels",
      tags: ["models"],
      summary:
        "Well-known models of the configured providers; others of the same providers work too",
      response: answers({ 200: modelsAnswerSchema }),
    },
    handler: async () => {
      const first = models.defaultModel();
      return {
        models: models.list().map((model) => ({ ...model, is_default: model.id === first })),
      };
    },
  });
}
