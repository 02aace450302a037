import type { Part } from "@parley/protocol";
import type { FileStore } from "../../domain/files.ts";
import { assertNever } from "../../lib/assert.ts";
import { isTextual } from "../../models/prompt-files.ts";
import type { PromptMessage } from "../../models/model-port.ts";
import { readChatFiles } from "../../store/files.ts";
import type { TaskContext } from "../tasks/context.ts";
import { patiently } from "../tasks/patiently.ts";
import type { Prompt } from "../tasks/prompt.ts";
import { isUpload, planFiles, type FilePlan, type UploadedPart } from "./plan.ts";

type FilesContext = Parameters<typeof patiently>[0] &
  Pick<TaskContext, "database" | "files"> & {
    readonly limits: Pick<TaskContext["limits"], "promptFileBytesMax">;
  };

/**
 * The messages of a prompt with the bytes of the files in them, or words in their place. Every file is read once, and
 * no more than the prompt may hold; a history without files costs nothing.
 */
export async function withFiles(
  ctx: FilesContext,
  { messages, uploads }: Prompt,
): Promise<readonly PromptMessage[]> {
  if (uploads.length === 0) return messages;
  return await patiently(ctx, "worker.prompt_files", async () => {
    const ids = [...new Set(uploads.map(({ file_id }) => file_id))];
    const sql = {
      query: async <R>(statement: Parameters<TaskContext["database"]["one"]>[0]) =>
        await ctx.database.one<R>(statement, { operation: "worker.prompt_files" }),
    };
    const rows = await readChatFiles(sql, ctx.chatId, ids);
    const known = new Map(rows.map((row) => [row.id, row]));
    const plans = planFiles(uploads, known, ctx.limits.promptFileBytesMax);
    const bytes = await readPlanned(ctx.files, plans);
    return messages.map((message) => ({
      ...message,
      parts: message.parts.map((part) =>
        isUpload(part) ? placed(part, plans.get(part), bytes) : part,
      ),
    }));
  });
}

type Read = ReadonlyMap<string, Uint8Array>;

async function readPlanned(
  store: Pick<FileStore, "head">,
  plans: ReadonlyMap<UploadedPart, FilePlan>,
): Promise<Read> {
  const bytes = new Map<string, Uint8Array>();
  for (const [{ file_id }, plan] of plans) {
    if (plan.how !== "read" || bytes.has(file_id)) continue;
    // One after the other: each may be large.
    // oxlint-disable-next-line no-await-in-loop
    bytes.set(file_id, await store.head(file_id, plan.bytes));
  }
  return bytes;
}

function placed(part: UploadedPart, plan: FilePlan | undefined, read: Read): Part {
  const { file_id, size_bytes = 0, ...file } = part;
  const name = `file "${file.filename ?? file_id}"`;
  switch (plan?.how) {
    case "read": {
      const bytes = read.get(file_id) ?? new Uint8Array();
      // It went between the two reads.
      if (bytes.length < plan.bytes) return text(`[${name} has expired]`);
      return { ...file, data: dataOf(bytes, file.media_type, size_bytes) };
    }
    case "name":
      return file;
    case undefined:
    case "expired":
      return text(`[${name} has expired]`);
    case "no_room":
      return text(
        `[${name} (${file.media_type}, ${size_bytes} bytes) is left out here: there is no room for it in this request]`,
      );
    default:
      return assertNever(plan, "file plan");
  }
}

function dataOf(bytes: Uint8Array, mediaType: string, sizeBytes: number): string {
  if (bytes.length >= sizeBytes || !isTextual(mediaType)) {
    return Buffer.from(bytes).toString("base64");
  }
  // Without the half character at its end.
  const head = new TextDecoder().decode(bytes, { stream: true });
  const marker = `\n\n[… the file goes on: these are the first ${bytes.length} of ${sizeBytes} bytes]`;
  return Buffer.from(head + marker).toString("base64");
}

function text(value: string): Part {
  return { type: "text", text: value };
}
