import { fastifySwagger } from "@fastify/swagger";
import {
  chatErrorSchema,
  chatSchema,
  errorStatuses,
  fileSchema,
  jsonSchema,
  messageSchema,
  modelSchema,
  partSchema,
  problemSchema,
  queuedMessageSchema,
  tokenSchema,
  type ErrorCode,
} from "@parley/protocol";
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
} from "fastify-type-provider-zod";
import { z } from "zod";
import type { App } from "./app.ts";
import { problemType } from "./problem.ts";

/** The schemas that stand under `components` and are referred to by name. */
const components = {
  Json: jsonSchema,
  Problem: problemSchema,
  Chat: chatSchema,
  ChatError: chatErrorSchema,
  Message: messageSchema,
  Part: partSchema,
  QueuedMessage: queuedMessageSchema,
  Model: modelSchema,
  Token: tokenSchema,
  File: fileSchema,
} as const;

const schemaRegistry = z.registry<{ id?: string; description?: string }>();
for (const [id, schema] of Object.entries(components)) schemaRegistry.add(schema, { id });

/** Makes the document from the routes that are registered after it: the schemas that describe also validate. */
export async function describeApi(app: App, version: string): Promise<void> {
  const bodyless = new Set<string>();
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Parley",
        version,
        description:
          "Chats with AI models: send, queue, interrupt, edit, and follow the reply as it is generated. " +
          "Every mutating call may be repeated safely with the same `client_id` or `Idempotency-Key`.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "A token: `parley_…`" },
          cookie: {
            type: "apiKey",
            in: "cookie",
            name: "parley_<port>",
            description:
              "Set by `POST /session` and `GET /?token=…`; counts only for pages of the server itself.",
          },
        },
      },
    },
    transform: (route) => {
      const { schema } = route;
      if (schema?.body instanceof z.ZodOptional) bodyless.add(schema.operationId ?? "");
      return transform(route);
    },
    transformObject: (document) => tidied(componentsOf(document), bodyless),
  });
}

const transform = createJsonSchemaTransform({ schemaRegistry });
const componentsOf = createJsonSchemaTransformObject({ schemaRegistry });

/** Bodies that no schema validates, because they are read as they come. */
const binary = { type: "string", format: "binary" };
const rawBodies: Readonly<Record<string, object>> = {
  uploadFile: {
    required: true,
    content: {
      "multipart/form-data": {
        schema: { type: "object", required: ["file"], properties: { file: binary } },
      },
      "application/octet-stream": { schema: binary },
    },
  },
};

interface Operation {
  readonly operationId?: string;
  readonly requestBody?: object;
}

interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/** `bodyless`: operations that may come without a body, which the schema of the body cannot say. */
function tidied<T extends object>(made: T, bodyless: ReadonlySet<string>): T {
  const document: Document = made;
  const entries = Object.entries(document.paths ?? {}).map(
    ([path, operations]): [string, unknown] => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          withBody(operation, bodyless),
        ]),
      ),
    ],
  );
  const schemas = usedSchemas(document);
  return {
    ...made,
    paths: Object.fromEntries(entries),
    components: { ...document.components, schemas },
  };
}

function withBody(operation: Operation, bodyless: ReadonlySet<string>): Operation {
  const { operationId = "", requestBody } = operation;
  const raw = rawBodies[operationId];
  if (raw !== undefined) return { ...operation, requestBody: raw };
  if (!bodyless.has(operationId)) return operation;
  return { ...operation, requestBody: { ...requestBody, required: false } };
}

/** Each schema is made in the form for requests and the form for answers: only what is referred to stays. */
function usedSchemas({ paths, components }: Document): Record<string, unknown> {
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    const names = JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/([^"/]+)"/g);
    for (const [, name] of names) {
      if (name === undefined || used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(paths);
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
}

/** What every route under `/api/v1` may answer with. */
const everywhere: readonly ErrorCode[] = [
  "invalid_request",
  "unauthorized",
  "forbidden",
  "internal",
  "database_unavailable",
  "unavailable",
];

interface Described {
  description: string;
  content: Record<string, { schema: z.ZodType }>;
}

type Answers = Record<number, Described | z.ZodType>;

const noBody = z.undefined();
schemaRegistry.add(noBody, { description: "Done. No body." });

/** The answers of a route: what it gives when all is well, and the refusals, by status. */
export function answers(
  success: Readonly<Record<number, z.ZodType | null>>,
  refusals: readonly ErrorCode[] = [],
): Answers {
  const all: Answers = {};
  for (const [status, schema] of Object.entries(success)) {
    all[Number(status)] =
      schema === null
        ? noBody
        : { description: "As asked for.", content: { "application/json": { schema } } };
  }
  const byStatus = Map.groupBy(
    new Set([...everywhere, ...refusals]),
    (code: ErrorCode) => errorStatuses[code],
  );
  for (const [status, codes] of byStatus) {
    all[status] = {
      description: codes.map((code) => `\`${code}\``).join(", "),
      content: { [problemType]: { schema: problemSchema } },
    };
  }
  return all;
}

/** Refusals of every route that takes a body. */
export const bodyRefusals: readonly ErrorCode[] = [
  "malformed_json",
  "payload_too_large",
  "unsupported_media_type",
];
