import type { IncomingMessage } from "node:http";
import { fastifyMultipart, type Multipart, type MultipartFile } from "@fastify/multipart";
import { fileAnswerSchema, uploadFileQuerySchema } from "@parley/protocol";
import type { FastifyRequest } from "fastify";
import type { App } from "../app.ts";
import { uploadFileCommand, type IncomingFile } from "../commands/upload-file.ts";
import type { Answer } from "../commands/once.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest, PayloadTooLarge, UnsupportedBody } from "../errors.ts";
import { cleanName } from "../files/name.ts";
import { answers } from "../openapi.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const KiB = 1024;
/** What a form adds to its file: boundaries and headers. */
const formBytesMax = 16 * KiB;

/**
 * `POST /files`, in a scope of its own: here a body is not parsed but read as it comes, and JSON is a file like any
 * other.
 */
export async function uploadRoute(app: App, context: HttpContext): Promise<void> {
  app.removeAllContentTypeParsers();
  await app.register(fastifyMultipart, {
    throwFileSizeLimit: false,
    limits: { headerPairs: 20, fieldSize: KiB, fileSize: Infinity },
  });
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.route({
    method: "POST",
    url: "/files",
    config: { makesWork: true },
    schema: {
      operationId: "uploadFile",
      tags: ["files"],
      summary: "Store a file, to be named in messages by its id",
      description:
        "A form with one part `file`, or the file itself as the body, its name in `?name=` or in the header " +
        "`X-File-Name` (percent-encoded). What the file is, is found out from its content.",
      querystring: uploadFileQuerySchema,
      headers: keyHeaders,
      response: answers({ 201: fileAnswerSchema }, [
        "payload_too_large",
        "file_type_refused",
        "file_space_used_up",
        "unsupported_media_type",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      try {
        return await send(reply, await upload(context, request, request.query.name));
      } catch (error) {
        // What is left of the body is not waited for.
        reply.header("connection", "close");
        throw error;
      }
    },
  });
}

async function upload(
  context: HttpContext,
  request: FastifyRequest,
  queryName: string | undefined,
): Promise<Answer<unknown>> {
  const { headers, caller } = request;
  const { fileBytesMax } = context.limits;
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new UnsupportedBody("A file is sent as it is: without Content-Encoding.");
  }
  const bytesDeclared = declaredBytes(headers["content-length"]);
  const slack = request.isMultipart() ? formBytesMax : 0;
  if (bytesDeclared !== null && bytesDeclared > fileBytesMax + slack) {
    throw new PayloadTooLarge("The file", fileBytesMax);
  }
  const key = idempotencyKey(request);
  const store = async (name: string | undefined, bytes: AsyncIterable<Uint8Array>) => {
    const file: IncomingFile = { name: cleanName(queryName ?? name), bytes, bytesDeclared };
    return await uploadFileCommand(context, caller, file, key);
  };
  if (!request.isMultipart()) return await store(headerName(request.raw), readable(request.raw));
  const parts = readable<Multipart>(request.parts());
  const { value: part } = await parts.next();
  if (part?.type !== "file" || part.fieldname !== "file") throw new InvalidRequest(oneFile);
  return await store(part.filename, onlyFile(part, parts));
}

const oneFile = "The form has one part, `file`, with a file name.";

/** The bytes of a form's file. It ends only when the form does: a second file makes both of no effect. */
async function* onlyFile(
  { file }: MultipartFile,
  parts: AsyncGenerator<Multipart, void>,
): AsyncGenerator<Uint8Array> {
  yield* readable<Uint8Array>(file);
  const { done } = await parts.next();
  if (done !== true) throw new InvalidRequest(oneFile);
}

/** What comes from the client, its failures told apart from ours: it has left, or has sent what is no form. */
async function* readable<T>(source: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* source;
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : "it broke off";
    throw new InvalidRequest(`The upload could not be read: ${reason}`);
  }
}

function declaredBytes(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : null;
}

/** Headers are ASCII: other characters come percent-encoded. */
function headerName({ headers }: IncomingMessage): string | undefined {
  const given = headers["x-file-name"];
  if (typeof given !== "string") return undefined;
  try {
    return decodeURIComponent(given);
  } catch {
    throw new InvalidRequest("X-File-Name is not percent-encoded UTF-8.");
  }
}
