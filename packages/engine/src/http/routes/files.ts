import {
  emptySchema,
  fileAnswerSchema,
  fileContentQuerySchema,
  fileLinkAnswerSchema,
  listFilesAnswerSchema,
  listFilesQuerySchema,
} from "@parley/protocol";
import { z } from "zod";
import type { App } from "../app.ts";
import {
  deleteFileCommand,
  fileCommand,
  fileLinkCommand,
  listFilesCommand,
} from "../commands/files.ts";
import { sendContent } from "../files/content.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import type { StreamContext } from "../transports/open.ts";
import { fileParams } from "./params.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const tags = ["files"];

/** Everything about files but the upload, whose body is of another kind (`upload.ts`). */
export function fileRoutes(app: App, context: StreamContext): void {
  app.route({
    method: "GET",
    url: "/files",
    schema: {
      operationId: "listFiles",
      tags,
      summary: "The caller's files, the newest first, and what they take",
      querystring: listFilesQuerySchema,
      response: answers({ 200: listFilesAnswerSchema }),
    },
    handler: async ({ caller, query }) => await listFilesCommand(context, caller, query),
  });

  app.route({
    method: "GET",
    url: "/files/:file_id",
    schema: {
      operationId: "getFile",
      tags,
      summary: "What is known of a file",
      params: fileParams,
      response: answers({ 200: fileAnswerSchema }, ["file_not_found", "file_expired"]),
    },
    handler: async ({ caller, params }) => await fileCommand(context, caller, params.file_id),
  });

  app.route({
    method: "GET",
    url: "/files/:file_id/content",
    exposeHeadRoute: false,
    config: { auth: "handler" },
    schema: {
      operationId: "getFileContent",
      tags,
      summary: "The bytes of a file; one range of them where that is asked for",
      description:
        "With a token, or with the `expires` and `signature` of a link. All but PNG, JPEG, GIF and WebP is sent as an " +
        "attachment: nothing in a file is run or shown in the server's name.",
      params: fileParams,
      querystring: fileContentQuerySchema,
      response: answers({ 200: z.string().meta({ description: "The bytes" }) }, [
        "file_not_found",
        "file_expired",
        "range_not_satisfiable",
      ]),
    },
    handler: async (request, reply) =>
      await sendContent(context, request, reply, request.params.file_id, request.query),
  });

  app.route({
    method: "POST",
    url: "/files/:file_id/links",
    schema: {
      operationId: "createFileLink",
      tags,
      summary: "An address from which the bytes can be fetched without a token for a while",
      params: fileParams,
      body: emptySchema.optional(),
      response: answers({ 201: fileLinkAnswerSchema }, [
        ...bodyRefusals,
        "file_not_found",
        "file_expired",
      ]),
    },
    handler: async ({ caller, params }, reply) =>
      reply.code(201).send(await fileLinkCommand(context, caller, params.file_id)),
  });

  app.route({
    method: "DELETE",
    url: "/files/:file_id",
    schema: {
      operationId: "deleteFile",
      tags,
      summary: "Take a file's bytes away at once; messages that refer to it say so from then on",
      params: fileParams,
      headers: keyHeaders,
      response: answers({ 204: null }, ["file_not_found", "idempotency_key_reused"]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await deleteFileCommand(context, caller, params.file_id, key));
    },
  });
}
