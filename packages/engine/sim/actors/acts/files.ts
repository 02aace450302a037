import type { Rng } from "../../rng.ts";
import type { Act, Doing, OwnFile } from "./act.ts";

/** What people do with files, by how often. */
export const fileWeights = {
  upload: 3,
  send_files: 4,
  edit_with_file: 1,
  read_file: 5,
  delete_file: 1,
} as const;

/** Files that a person remembers. */
const filesKept = 12;

/** What a picture begins with, as far as anybody looks. */
const png = Buffer.from("89504e470d0a1a0a0000000d4948445200000001000000010806000000", "hex");

export const fileActs: Readonly<Record<keyof typeof fileWeights, Act>> = {
  upload: async (it) => (await upload(it)).id,
  send_files: async (it) => {
    const { client, chatId, rng, files, told } = it;
    if (files.length === 0 || rng.chance(0.3)) await upload(it);
    const named = [rng.pick(files), ...(rng.chance(0.3) ? [rng.pick(files)] : [])];
    const client_id = it.next();
    await client.sendMessage(chatId, { content: contentWith(client_id, named), client_id });
    told.acknowledged(client_id);
    return `${client_id} with ${named.map(({ id }) => id).join(", ")}`;
  },
  edit_with_file: async (it) => {
    const { client, chatId, seen, rng, files } = it;
    const own = seen?.messages.filter(({ role }) => role === "user") ?? [];
    if (own.length === 0 || files.length === 0) return null;
    const client_id = it.next();
    const content = contentWith(client_id, [rng.pick(files)]);
    await client.editMessage(chatId, rng.pick(own).id, { content, client_id, keep_queue: true });
    return "edited";
  },
  read_file: async ({ client, device, rng, files, told }) => {
    if (files.length === 0) return null;
    const file = rng.pick(files);
    const answer = await device.download(await client.fileUrl(file.id));
    if (answer === null) return "no answer";
    told.downloaded(file, answer.status, answer.bytes);
    return `${file.id} ${answer.status}`;
  },
  delete_file: async ({ client, rng, files }) => {
    if (files.length === 0) return null;
    const file = rng.pick(files);
    await client.deleteFile(file.id);
    return `deleted ${file.id}`;
  },
};

async function upload({ client, rng, files, told, next }: Doing): Promise<OwnFile> {
  const bytes = bytesOf(rng, next());
  const name = `${next()}.${rng.pick(["png", "txt", "bin"])}`;
  const stored = await client.uploadFile(new Uint8Array(bytes), { name });
  const file = { id: stored.id, bytes, name };
  told.uploaded(file, stored);
  files.push(file);
  if (files.length > filesKept) files.shift();
  return file;
}

function bytesOf(rng: Rng, about: string): Buffer {
  // More than one row of bytes, now and then.
  const length = rng.weighted({ "10": 4, "3000": 4, "300000": 1 });
  const filler = Buffer.alloc(Number(length), `${about} ${rng.int(0, 1e9)} `);
  return rng.chance(0.4) ? Buffer.concat([png, filler]) : filler;
}

function contentWith(about: string, files: readonly OwnFile[]) {
  return [
    { type: "text" as const, text: `${about} shows` },
    ...files.map(({ id }) => ({ type: "file" as const, file_id: id })),
  ];
}
