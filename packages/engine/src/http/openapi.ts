import { fastifySwagger } from "@fastify/swagger";
import {
  chatErrorSchema,
  chatSchema,
  errorStatuses,
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
} as const;

const schemaRegistry = z.registry<{ id?: string; description?: string }>();
for (const [id, schema] of Object.entries(components)) schemaRegistry.add(schema, { id });

/** Makes the document from the routes that are registered after it: the schemas that describe also validate. */
export async function describeApi(app: App, version: string): Promise<void> {
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
            description: "Set by `GET /?token=…`; counts only for pages of the server itself.",
          },
        },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry }),
    transformObject: (document) => withoutUnused(componentsOf(document)),
  });
}

const componentsOf = createJsonSchemaTransformObject({ schemaRegistry });

interface Document {
  readonly paths?: unknown;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/** Each schema is made in the form for requests and the form for answers: only what is referred to stays. */
function withoutUnused<T extends object>(made: T): T {
  const document: Document = made;
  const schemas = document.components?.schemas ?? {};
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    const names = JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/([^"/]+)"/g);
    for (const [, name] of names) {
      if (name === undefined || used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...made, components: { ...document.components, schemas: kept } };
}

/** What every route under `/api/v1` may answer with. */
const everywhere: readonly ErrorCode[] = [
  "invalid_request",
  "unauthorized",
  "forbidden",
  "internal",
  "database_unavailable",
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
