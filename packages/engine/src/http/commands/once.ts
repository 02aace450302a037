import { createHash } from "node:crypto";
import { limits, type Json } from "@parley/protocol";
import { IdempotencyKeyReused } from "../../domain/errors.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { assert } from "../../lib/assert.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { createOnce, updateOnce, type RequestKey } from "../../machine/idempotency.ts";
import type { CallOptions, Machine } from "../../machine/machine.ts";
import type { Transaction } from "../../machine/transaction.ts";
import type { ReadTx } from "../../postgres/sql.ts";
import type { NewChat } from "../../store/chats.ts";
import { findIdempotent, insertIdempotent } from "../../store/idempotency.ts";
import type { Caller } from "../auth/caller.ts";
import { InvalidRequest } from "../errors.ts";

/** What a command answers with. A repeat with the same key gets the same, status included. */
export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

/** Where there is no chat yet. */
export const principalScope = "principal";

/**
 * The key of a request, or null where it has none.
 *
 * @param scope the chat's id, or `principalScope`
 * @param request everything that makes two requests the same one, in a fixed order
 */
export function requestKey(
  caller: Caller,
  scope: string,
  key: string | undefined,
  request: readonly unknown[],
): RequestKey | null {
  if (key === undefined) return null;
  if (key === "" || key.length > limits.idempotencyKeyCharsMax) {
    const max = limits.idempotencyKeyCharsMax;
    throw new InvalidRequest(`An idempotency key has 1 to ${max} characters.`);
  }
  const request_hash = createHash("sha256").update(JSON.stringify(request)).digest();
  return { principal_id: caller.principalId, scope, key, request_hash };
}

/** One bundle, at most once per key; the chat is offered to this replica's worker. */
export async function update<T>(
  machine: Machine,
  chatId: string,
  key: RequestKey | null,
  call: string | CallOptions,
  fn: (bundle: Bundle) => Promise<Answer<T>>,
): Promise<Answer<T>> {
  const named = typeof call === "string" ? { operation: call } : call;
  const options: CallOptions = { ...named, acquire: true };
  const { response } = await updateOnce(machine, chatId, key, toJson(fn), options);
  return fromJson<T>(response);
}

/** As `update`, for a chat that is made. */
export async function create<T>(
  machine: Machine,
  chat: NewChat,
  key: RequestKey | null,
  operation: string,
  fn: (bundle: Bundle) => Promise<Answer<T>>,
): Promise<Answer<T>> {
  const options: CallOptions = { acquire: true, operation };
  const { response } = await createOnce(machine, chat, key, toJson(fn), options);
  return fromJson<T>(response);
}

/**
 * Looks at the locked row before it decides whether anything is to be done: no bump where nothing is. The answer
 * is stored either way, so that a repeat does not find more to do than the first one did.
 */
export async function decide<T>(
  machine: Machine,
  chatId: string,
  key: RequestKey | null,
  operation: string,
  fn: (chat: ChatRow, transaction: Transaction) => Promise<Answer<T>>,
): Promise<Answer<T>> {
  return await machine.lock(
    chatId,
    async (chat, transaction) => {
      if (key === null) return await fn(chat, transaction);
      const { tx } = transaction;
      const { principal_id, scope, request_hash } = key;
      const found = await find<T>(tx, key);
      if (found !== undefined) return found;
      const answer = await fn(chat, transaction);
      const response = answer as unknown as Json;
      const stored = await insertIdempotent(tx, principal_id, scope, key.key, {
        request_hash,
        response,
      });
      assert(stored, "the row lock keeps out who else might use the key");
      return answer;
    },
    operation,
  );
}

/** What an earlier, identical request was answered with. */
export async function answeredBefore<T>(
  machine: Machine,
  key: RequestKey | null,
): Promise<Answer<T> | undefined> {
  if (key === null) return undefined;
  return await machine.read((tx) => find<T>(tx, key), "http.answered_before");
}

async function find<T>(tx: ReadTx, key: RequestKey): Promise<Answer<T> | undefined> {
  const found = await findIdempotent(tx, key.principal_id, key.scope, key.key);
  if (found === undefined) return undefined;
  if (!Buffer.from(found.request_hash).equals(key.request_hash)) {
    throw new IdempotencyKeyReused(key.key);
  }
  return fromJson<T>(found.response);
}

/** Answers are made of what the API shows: plain JSON, whose optional fields are absent and never undefined. */
function toJson<T>(fn: (bundle: Bundle) => Promise<Answer<T>>): (bundle: Bundle) => Promise<Json> {
  return async (bundle) => (await fn(bundle)) as unknown as Json;
}

function fromJson<T>(response: Json): Answer<T> {
  return response as unknown as Answer<T>;
}
