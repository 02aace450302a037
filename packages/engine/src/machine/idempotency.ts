import type { Json } from "@parley/protocol";
import { ChatNotFound, IdempotencyKeyReused } from "../domain/errors.ts";
import { isUniqueViolation } from "../postgres/errors.ts";
import type { ReadTx } from "../postgres/sql.ts";
import type { NewChat } from "../store/chats.ts";
import { findIdempotent, idempotencyKeyTaken, insertIdempotentLast } from "../store/idempotency.ts";
import type { Bundle } from "./bundle.ts";
import type { CallOptions, Machine } from "./machine.ts";

/** What makes two requests the same one. */
export interface RequestKey {
  readonly principal_id: string;
  /** The chat's id, or `principal` where there is no chat yet. */
  readonly scope: string;
  readonly key: string;
  /** sha-256 over method, route and body: the same key with another request is refused. */
  readonly request_hash: Uint8Array;
}

export interface Once<T> {
  readonly response: T;
  /** The answer of an earlier, identical request: nothing was done. */
  readonly replayed: boolean;
}

/** Rolls the bundle back: no bump, nothing published. */
class Replayed extends Error {
  readonly response: Json;
  constructor(response: Json) {
    super("answered before");
    this.response = response;
  }
}

/**
 * `Machine.update`, at most once per key. The key is looked up under the row lock and before any state check; `fn`'s
 * answer is stored in the same transaction. Without a key, the update as it is.
 *
 * @throws IdempotencyKeyReused, and whatever `Machine.update` throws.
 */
export async function updateOnce<T extends Json>(
  machine: Machine,
  chatId: string,
  key: RequestKey | null,
  fn: (bundle: Bundle) => Promise<T>,
  options?: CallOptions,
): Promise<Once<T>> {
  return await once(machine, key, () => {
    const looked = new Look<T>(key, options);
    return machine.update(chatId, (bundle) => keyed(bundle, key, looked, fn), looked.options);
  });
}

/** `Machine.create`, at most once per key: the loser of a race gets the winner's answer, and makes no chat. */
export async function createOnce<T extends Json>(
  machine: Machine,
  chat: NewChat,
  key: RequestKey | null,
  fn: (bundle: Bundle) => Promise<T>,
  options?: CallOptions,
): Promise<Once<T>> {
  return await once(machine, key, () => {
    const looked = new Look<T>(key, options);
    return machine.create(chat, (bundle) => keyed(bundle, key, looked, fn), looked.options);
  });
}

/** The look for an answer goes out with the statement that locks the row, and runs behind it. */
class Look<T extends Json> {
  readonly options: CallOptions;
  #found: Promise<T | undefined> | undefined;

  constructor(key: RequestKey | null, options: CallOptions = {}) {
    const { along } = options;
    this.options = {
      ...options,
      along: (tx) => {
        if (key !== null) {
          this.#found = find<T>(tx, key);
          this.#found.catch(() => {});
        }
        return along?.(tx) ?? {};
      },
    };
  }

  /** A transaction that is tried again looks again. */
  async found(): Promise<T | undefined> {
    return await this.#found;
  }
}

async function keyed<T extends Json>(
  bundle: Bundle,
  key: RequestKey | null,
  look: Look<T>,
  fn: (bundle: Bundle) => Promise<T>,
): Promise<T> {
  if (key === null) return await fn(bundle);
  const found = await look.found();
  if (found !== undefined) throw new Replayed(found);
  const response = await fn(bundle);
  const { principal_id, scope, request_hash } = key;
  const answer = { request_hash, response };
  insertIdempotentLast(bundle.tx, principal_id, scope, key.key, answer);
  return response;
}

async function once<T extends Json>(
  machine: Machine,
  key: RequestKey | null,
  run: () => Promise<T>,
): Promise<Once<T>> {
  try {
    return { response: await run(), replayed: false };
  } catch (error) {
    if (error instanceof Replayed) return { response: error.response as T, replayed: true };
    // Another transaction has just used the key and committed. The chat may be gone by the very request that is repeated.
    const isRaced = isUniqueViolation(error, idempotencyKeyTaken);
    if (key !== null && (isRaced || error instanceof ChatNotFound)) {
      const found = await machine.read((tx) => find<T>(tx, key), "idempotency.find");
      if (found !== undefined) return { response: found, replayed: true };
    }
    throw error;
  }
}

async function find<T extends Json>(tx: ReadTx, key: RequestKey): Promise<T | undefined> {
  const found = await findIdempotent(tx, key.principal_id, key.scope, key.key);
  if (found === undefined) return undefined;
  if (!Buffer.from(found.request_hash).equals(key.request_hash)) {
    throw new IdempotencyKeyReused(key.key);
  }
  return found.response as T;
}
