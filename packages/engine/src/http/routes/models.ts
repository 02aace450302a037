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
        models: models.list().map(({ efforts, default_effort, ...model }) => ({
          ...model,
          is_default: model.id === first,
          reasoning_efforts: efforts === null ? null : [...efforts],
          default_reasoning_effort: default_effort,
          fallback_models: [...model.fallback_models],
          provider_options: [...(models.optionsOf(model.provider) ?? [])],
        })),
      };
    },
  });
}
