import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { chunkBytes, FileExpired, type FileRow, type FileStore } from "../../domain/files.ts";
import { authenticate } from "../auth/authenticate.ts";
import { linkedFile, ownFile } from "../commands/files.ts";
import { RangeNotSatisfiable, Unauthorized } from "../errors.ts";
import type { StreamContext } from "../transports/open.ts";
import { disposition } from "./name.ts";
import { rangeOf, type ByteRange } from "./range.ts";

/** Pictures that nothing can be hidden in that a browser would run. SVG is none of them. */
const inlineTypes: ReadonlySet<string> = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
]);

/** Whatever a file says, it is nobody's page: no scripts, no forms, an origin of its own. */
const contentPolicy = "default-src 'none'; sandbox; frame-ancestors 'none'";

interface LinkQuery {
  readonly expires?: string | undefined;
  readonly signature?: string | undefined;
}

/** Answers with the bytes of a file, or a range of them. */
export async function sendContent(
  context: StreamContext,
  request: FastifyRequest,
  reply: FastifyReply,
  fileId: string,
  query: LinkQuery,
): Promise<FastifyReply> {
  const file = await fileFor(context, request, fileId, query);
  const range = rangeOf(request.headers.range, file.size_bytes);
  if (range === "unsatisfiable") {
    reply.header("content-range", `bytes */${file.size_bytes}`);
    throw new RangeNotSatisfiable(file.size_bytes);
  }
  const { start, end } = range ?? { start: 0, end: file.size_bytes };
  const bytes = await bytesOf(context.files, file.id, { start, end });
  if (range !== null) {
    reply.code(206).header("content-range", `bytes ${start}-${end - 1}/${file.size_bytes}`);
  }
  const kind = inlineTypes.has(file.media_type) ? "inline" : "attachment";
  const isText = file.media_type.startsWith("text/");
  return reply
    .headers({
      "content-type": isText ? `${file.media_type}; charset=utf-8` : file.media_type,
      "content-length": String(end - start),
      "content-disposition": disposition(kind, file.name),
      "content-security-policy": contentPolicy,
      // Who has a link may show the picture on a page of his own; with a cookie only pages of this server can.
      "cross-origin-resource-policy":
        query.signature === undefined ? "same-origin" : "cross-origin",
      "accept-ranges": "bytes",
      etag: `"${Buffer.from(file.sha256).toString("hex")}"`,
    })
    .send(Readable.from(bytes, { objectMode: false }));
}

/** @throws Unauthorized also for a link that is over, or that was made for another file. */
async function fileFor(
  context: StreamContext,
  request: FastifyRequest,
  fileId: string,
  { expires, signature }: LinkQuery,
): Promise<FileRow> {
  if (expires === undefined && signature === undefined) {
    const { headers } = request;
    const site = context.site();
    const caller = await authenticate(context.authenticator, site, { headers, mutates: false });
    return await ownFile(context, caller, fileId);
  }
  const link = { expires: Number(expires ?? 0), signature: signature ?? "" };
  if (!context.fileLinks.isValid(fileId, link, context.clock.now())) throw new Unauthorized();
  return await linkedFile(context, fileId);
}

/**
 * The first chunk at once, so that a file whose bytes are gone is still told from one that breaks off; then one at a time,
 * the next when the client has taken the last.
 *
 * @throws FileExpired
 */
async function bytesOf(
  store: Pick<FileStore, "chunk">,
  fileId: string,
  { start, end }: ByteRange,
): Promise<AsyncGenerator<Uint8Array>> {
  const at = Math.floor(start / chunkBytes);
  const first = start < end ? await store.chunk(fileId, at) : undefined;
  if (start < end && first === undefined) throw new FileExpired(fileId);
  return (async function* () {
    let chunk = first;
    for (let n = at; chunk !== undefined; n++) {
      const from = n * chunkBytes;
      yield chunk.subarray(Math.max(0, start - from), Math.min(chunk.length, end - from));
      if (from + chunkBytes >= end) return;
      chunk = await store.chunk(fileId, n + 1);
      if (chunk === undefined) throw new Error(`chunk ${n + 1} of file ${fileId} is gone`);
    }
  })();
}
