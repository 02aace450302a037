import {
  drainAnswerSchema,
  emptySchema,
  operatorChatAnswerSchema,
  replicaMetricsAnswerSchema,
  replicasAnswerSchema,
} from "@parley/protocol";
import type { App } from "../app.ts";
import { operatorChatCommand } from "../commands/operator-chat.ts";
import { drainReplicaCommand, replicaMetricsCommand, Replicas } from "../commands/replicas.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { chatParams, replicaParams } from "./params.ts";
import { keyHeaders } from "./reply.ts";

const tags = ["replicas"];

/** What the deployment does, for administrators. Each route works on every replica. */
export function replicaRoutes(app: App, context: HttpContext): void {
  const replicas = new Replicas(context);

  app.route({
    method: "GET",
    url: "/replicas",
    schema: {
      operationId: "listReplicas",
      tags,
      summary: "The replicas and what each runs, chats by state, queue and capacity",
      response: answers({ 200: replicasAnswerSchema }, ["forbidden"]),
    },
    handler: async ({ caller }) => await replicas.list(caller),
  });

  app.route({
    method: "GET",
    url: "/replicas/:replica_id/metrics",
    schema: {
      operationId: "getReplicaMetrics",
      tags,
      summary: "Figures of a replica's last five minutes",
      params: replicaParams,
      response: answers({ 200: replicaMetricsAnswerSchema }, ["forbidden", "not_found"]),
    },
    handler: async ({ caller, params }) =>
      await replicaMetricsCommand(context, caller, params.replica_id),
  });

  app.route({
    method: "POST",
    url: "/replicas/:replica_id/drain",
    schema: {
      operationId: "drainReplica",
      tags,
      summary: "Have a replica hand its chats over and take no more; its process stays",
      params: replicaParams,
      // A drain that is asked for twice is as one that is asked for once: the key has nothing to do.
      headers: keyHeaders,
      body: emptySchema.optional(),
      response: answers({ 202: drainAnswerSchema }, [...bodyRefusals, "forbidden", "not_found"]),
    },
    handler: async ({ caller, params }, reply) =>
      reply.code(202).send(await drainReplicaCommand(context, caller, params.replica_id)),
  });

  app.route({
    method: "GET",
    url: "/operator/chats/:chat_id",
    schema: {
      operationId: "getOperatorChat",
      tags,
      summary: "Lease, versions, attempts and ledger of any chat, without what is said in it",
      params: chatParams,
      response: answers({ 200: operatorChatAnswerSchema }, ["forbidden", "chat_not_found"]),
    },
    handler: async ({ caller, params }) =>
      await operatorChatCommand(context, caller, params.chat_id),
  });
}
