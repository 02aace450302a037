import type { ResponseFormat } from "@parley/protocol";
import type { Act } from "./act.ts";

/** Questions whose answers have a form, by how often. */
export const formWeights = { ask_json: 4 } as const;

/** What the answers shall be. The checker of forms knows by itself what fits it. */
export const simForm: ResponseFormat = {
  type: "json_schema",
  name: "sim",
  schema: {
    type: "object",
    properties: { n: { type: "integer", minimum: 0 } },
    required: ["n"],
    additionalProperties: false,
  },
};

export const formActs: Readonly<Record<keyof typeof formWeights, Act>> = {
  ask_json: async ({ client, chatId, rng, told, next }) => {
    const client_id = next();
    await client.sendMessage(chatId, {
      content: `${client_id} wants a form`,
      response_format: simForm,
      when_busy: rng.pick(["queue", "steer", "interrupt"] as const),
      client_id,
    });
    told.acknowledged(client_id);
    return `${client_id} asked`;
  },
};
