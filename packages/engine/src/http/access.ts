import DataLoader from "dataloader";
import { ChatNotFound } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { Database } from "../postgres/database.ts";
import { readChats } from "../store/chats.ts";
import { nextTurn } from "../stream/turn.ts";
import type { Caller } from "./auth/caller.ts";
import { reader } from "./reader.ts";
import { isUuid } from "./uuid.ts";

/** Chats whose owner is remembered. */
const ownersMax = 20_000;

/** Of one statement: a row may carry a long system prompt. */
const rowsMax = 100;

/**
 * Who may use which chat. A chat that is not the caller's, one that does not exist, and a name that is no chat's
 * at all are answered alike, after the same single read.
 *
 * Owners are remembered: the database holds that a chat's owner never changes and no id comes twice, so what is
 * remembered is never wrong; whether the chat still exists, the command itself finds out.
 */
export class ChatAccess {
  readonly #rows: DataLoader<string, ChatRow | null>;
  readonly #owners = new Map<string, string>();

  constructor(database: Database) {
    // Nothing is kept: a row is read after it was asked for, always.
    this.#rows = new DataLoader(async (ids) => await readRows(database, ids), {
      cache: false,
      maxBatchSize: rowsMax,
      batchScheduleFn: nextTurn,
    });
  }

  /** The chat's id in its one spelling. @throws ChatNotFound */
  async require(caller: Caller, chatId: string): Promise<string> {
    const id = chatId.toLowerCase();
    const owner = this.#owners.get(id);
    if (owner === undefined) return (await this.read(caller, chatId)).id;
    if (owner !== caller.principalId) throw new ChatNotFound(chatId);
    return id;
  }

  /**
   * The chat's row as it is now. All who ask in one turn of the loop share a statement: a thousand streams that come
   * back at once are a handful of reads.
   *
   * @throws ChatNotFound
   */
  async read(caller: Caller, chatId: string): Promise<ChatRow> {
    if (!isUuid(chatId)) throw new ChatNotFound(chatId);
    const chat = await this.#rows.load(chatId.toLowerCase());
    if (chat === null) throw new ChatNotFound(chatId);
    this.remember(chat.id, chat.owner_id);
    if (chat.owner_id !== caller.principalId) throw new ChatNotFound(chatId);
    return chat;
  }

  /** A chat that was just made, or read: its next use costs no read. */
  remember(chatId: string, ownerId: string): void {
    if (this.#owners.size >= ownersMax) {
      const [oldest] = this.#owners.keys();
      if (oldest !== undefined) this.#owners.delete(oldest);
    }
    this.#owners.set(chatId, ownerId);
  }
}

/** For each id its row, in their order. */
async function readRows(
  database: Database,
  ids: readonly string[],
): Promise<readonly (ChatRow | null)[]> {
  const rows = await readChats(reader(database, "http.read_chat"), [...new Set(ids)]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}
