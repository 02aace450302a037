import * as protocol from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";

interface Schema {
  [key: string]: unknown;
}
interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  security: unknown[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, Schema> };
}

let db: TestDatabase;
let http: TestHttpServer;
let document: Document;
let operations: { path: string; method: string; operation: Operation }[];
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
  const answer = await http.call("GET", "/api/v1/openapi.json", { as: null });
  document = answer.body;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

test("it is OpenAPI 3.1 with bearer security", () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(document.info).toMatchObject({ title: "Parley", version: "1.2.3" });
  expect(document.security).toEqual([{ bearer: [] }]);
  expect(document.components.securitySchemes["bearer"]).toMatchObject({
    type: "http",
    scheme: "bearer",
  });
});

test("every route of the API is in it", () => {
  expect(operations.map(({ path, method }) => `${method} ${path.slice("/api/v1".length)}`).sort())
    .toMatchInlineSnapshot(`
      [
        "delete /chats/{chat_id}",
        "delete /chats/{chat_id}/queue/{queued_id}",
        "delete /files/{file_id}",
        "delete /session",
        "delete /tokens/{token_id}",
        "get /chats",
        "get /chats/watch",
        "get /chats/{chat_id}",
        "get /chats/{chat_id}/messages",
        "get /chats/{chat_id}/messages/{message_id}/versions",
        "get /chats/{chat_id}/stream",
        "get /chats/{chat_id}/usage",
        "get /files",
        "get /files/{file_id}",
        "get /files/{file_id}/content",
        "get /models",
        "get /operator/chats/{chat_id}",
        "get /owners/{owner_id}/budget",
        "get /replicas",
        "get /replicas/{replica_id}/metrics",
        "get /session",
        "get /tokens",
        "get /usage",
        "patch /chats/{chat_id}",
        "patch /chats/{chat_id}/messages/{message_id}",
        "patch /chats/{chat_id}/queue/{queued_id}",
        "post /chats",
        "post /chats/{chat_id}/approvals",
        "post /chats/{chat_id}/clear",
        "post /chats/{chat_id}/compact",
        "post /chats/{chat_id}/fork",
        "post /chats/{chat_id}/interrupt",
        "post /chats/{chat_id}/messages",
        "post /chats/{chat_id}/queue/{queued_id}/promote",
        "post /chats/{chat_id}/reconcile",
        "post /chats/{chat_id}/retry",
        "post /chats/{chat_id}/stream-tickets",
        "post /chats/{chat_id}/title",
        "post /chats/{chat_id}/tool-results",
        "post /files",
        "post /files/{file_id}/links",
        "post /replicas/{replica_id}/drain",
        "post /session",
        "post /stream-tickets",
        "post /tokens",
        "put /owners/{owner_id}/budget",
      ]
    `);
});

test("every operation is named once, says what it does, and declares what stands in its address", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations) {
    expect(operation.summary, path).toMatch(/\w/);
    expect(operation.tags).toHaveLength(1);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((one) => one.in === "path");
    expect(declared.map((one) => one.name)).toEqual(inPath);
    expect(declared.every((one) => one.required)).toBe(true);
  }
});

test("every operation lists its refusals as problems, with the codes of the protocol", () => {
  for (const { path, operation } of operations) {
    for (const [status, response] of Object.entries(operation.responses)) {
      if (Number(status) < 400) continue;
      const schema = response.content?.["application/problem+json"]?.schema;
      expect(schema, `${path} ${status}`).toEqual({ $ref: "#/components/schemas/Problem" });
      const codes = [...response.description.matchAll(/`(\w+)`/g)].map(([, code]) => code);
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) {
        expect(protocol.errorStatuses[code as protocol.ErrorCode]).toBe(Number(status));
      }
    }
    for (const status of ["400", "401", "403", "500", "503"]) {
      expect(Object.keys(operation.responses)).toContain(status);
    }
  }
});

test("mutating calls take an idempotency key, but those that hand out a secret, or keep one", () => {
  for (const { path, method, operation } of operations) {
    const has = (operation.parameters ?? []).some((one) => one.name === "idempotency-key");
    const isSecret = /token|stream-tickets|session|links/.test(path);
    // What is put twice is as if it had been put once.
    const isRepeatable = method === "get" || method === "put";
    expect([path, method, has]).toEqual([path, method, !isRepeatable && !isSecret]);
  }
});

test("every reference leads somewhere, and nothing is left that nobody refers to", () => {
  const text = JSON.stringify(document);
  const names = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference ?? "");
  const used = new Set(names.map((name) => name.replace("#/components/schemas/", "")));
  expect([...used].sort()).toEqual(Object.keys(document.components.schemas).sort());
});

/** Every schema of a request, with the operation whose body or query it is. */
const requests: Record<string, string> = {
  createChatSchema: "createChat",
  patchChatSchema: "patchChat",
  forkChatSchema: "forkChat",
  titleSchema: "setTitle",
  sendMessageSchema: "sendMessage",
  editMessageSchema: "editMessage",
  editQueuedSchema: "editQueuedMessage",
  interruptSchema: "interrupt",
  toolResultsSchema: "submitToolResults",
  approvalsSchema: "decideApprovals",
  emptySchema: "retryTurn",
  createTokenSchema: "createToken",
  uploadFileQuerySchema: "uploadFile",
  listFilesQuerySchema: "listFiles",
  fileContentQuerySchema: "getFileContent",
  createSessionSchema: "createSession",
  setBudgetSchema: "setOwnerBudget",
  ownerUsageQuerySchema: "getOwnerUsage",
  listChatsQuerySchema: "listChats",
  listMessagesQuerySchema: "listMessages",
  interruptQuerySchema: "interrupt",
  streamQuerySchema: "streamChat",
};

test("every request of the protocol is the body or the query of an operation", () => {
  const all = Object.keys(protocol).filter((name) => isRequest(name));
  expect(all.sort()).toEqual(Object.keys(requests).sort());
  for (const [name, operationId] of Object.entries(requests)) {
    const found = operations.find(({ operation }) => operation.operationId === operationId);
    const schema = (protocol as unknown as Record<string, { shape: object }>)[name];
    const fields = Object.keys(schema?.shape ?? {}).sort();
    const documented = name.endsWith("QuerySchema")
      ? (found?.operation.parameters ?? [])
          .filter((one) => one.in === "query")
          .map((one) => one.name)
      : Object.keys(bodyOf(found?.operation)["properties"] ?? {});
    expect([name, documented.sort()]).toEqual([name, fields]);
  }
});

/** Strict, as requests are, and found inside of them. */
const partsOfRequests: ReadonlySet<string> = new Set([
  "budgetSchema",
  "clientToolSchema",
  "mcpServerSchema",
  "modelSettingsSchema",
  "responseFormatSchema",
]);

/** Requests are what refuses unknown fields at its top, apart from what they are made of. */
function isRequest(name: string): boolean {
  if (!name.endsWith("Schema") || partsOfRequests.has(name)) return false;
  const schema = (protocol as unknown as Record<string, { def?: { catchall?: unknown } }>)[name];
  return schema?.def?.catchall !== undefined;
}

function bodyOf(operation: Operation | undefined): Schema {
  return operation?.requestBody?.content["application/json"]?.schema ?? {};
}

test("a body that may be left out says so", () => {
  const required = Object.fromEntries(
    operations.flatMap(({ operation }) =>
      operation.requestBody ? [[operation.operationId, operation.requestBody.required]] : [],
    ),
  );
  expect(required).toMatchObject({ createChat: true, patchChat: true, interrupt: false });
  expect(required).toMatchObject({ retryTurn: false, forkChat: false, createStreamTicket: false });
});
