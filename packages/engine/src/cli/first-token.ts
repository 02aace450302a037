import { hashToken, newToken } from "../domain/token.ts";
import type { Random } from "../lib/random.ts";
import type { Database } from "../postgres/database.ts";
import type { WriteTx } from "../postgres/sql.ts";
import { findPrincipalByName, insertPrincipal, lockPrincipals } from "../store/principals.ts";
import {
  findToken,
  insertToken,
  listTokens,
  reinstateToken,
  revokeToken,
  type TokenRow,
} from "../store/tokens.ts";
import type { DataFolder } from "./data-folder.ts";

/** Whom the first-use token belongs to. */
export const firstPrincipal = "admin";

const configuredName = "PARLEY_TOKEN";
const firstUseName = "first use";

export interface FirstTokenOptions {
  readonly database: Database;
  readonly folder: DataFolder;
  readonly random: Random;
  /** What PARLEY_TOKEN says. */
  readonly configured: string | null;
  /** Whether the database is this data folder's own: then whoever owns the folder owns the database. */
  readonly embedded: boolean;
}

/**
 * The token that is printed at the start. Null where the database is shared, has its first-use token already, and
 * it is not in this folder: then someone else holds it, and a second one for everyone who starts a server would be
 * a hole.
 */
export async function ensureFirstToken(options: FirstTokenOptions): Promise<string | null> {
  const { configured, folder } = options;
  if (configured !== null) {
    await inTransaction(options, (tx, owner) => allowConfigured(options, tx, owner, configured));
    return configured;
  }
  const kept = await folder.readToken();
  if (kept !== null) {
    const good = await inTransaction(options, (tx, owner) => allowKept(options, tx, owner, kept));
    if (good) return kept;
    // Revoked on purpose: it stays dead, and this folder gets another.
    await folder.forgetToken();
  } else if (!options.embedded) {
    const held = await inTransaction(options, async (tx, owner) =>
      (await listTokens(tx, owner)).some(({ name }) => name === firstUseName),
    );
    if (held) return null;
  }
  const token = await folder.keepToken(newToken(options.random));
  await inTransaction(options, (tx, owner) => allowKept(options, tx, owner, token));
  return token;
}

function inTransaction<T>(
  { database, random }: FirstTokenOptions,
  fn: (tx: WriteTx, ownerId: string) => Promise<T>,
): Promise<T> {
  return database.write(
    async (tx) => {
      await lockPrincipals(tx);
      const owner =
        (await findPrincipalByName(tx, firstPrincipal)) ??
        (await insertPrincipal(tx, { id: random.uuid(), name: firstPrincipal, is_admin: true }));
      return await fn(tx, owner.id);
    },
    { operation: "token.first" },
  );
}

/** The configuration's word counts: the token is good from now on, and those that it named before are not. */
async function allowConfigured(
  options: FirstTokenOptions,
  tx: WriteTx,
  ownerId: string,
  token: string,
): Promise<void> {
  const known = await findToken(tx, hashToken(token));
  const current = known ?? (await insert(options, tx, ownerId, configuredName, token));
  if (current.revoked_at !== null || current.expires_at !== null) {
    await reinstateToken(tx, current.id);
  }
  for (const { id, name } of await listTokens(tx, ownerId)) {
    // oxlint-disable-next-line no-await-in-loop
    if (name === configuredName && id !== current.id) await revokeToken(tx, ownerId, id);
  }
}

/** False where it was revoked or has expired. */
async function allowKept(
  options: FirstTokenOptions,
  tx: WriteTx,
  ownerId: string,
  token: string,
): Promise<boolean> {
  const known = await findToken(tx, hashToken(token));
  // Unknown: the database is new, or was put back from a backup.
  if (known === undefined) await insert(options, tx, ownerId, firstUseName, token);
  return known === undefined || (known.revoked_at === null && known.expires_at === null);
}

async function insert(
  { random }: FirstTokenOptions,
  tx: WriteTx,
  ownerId: string,
  name: string,
  token: string,
): Promise<TokenRow> {
  return await insertToken(tx, {
    id: random.uuid(),
    principal_id: ownerId,
    name,
    token_hash: hashToken(token),
    expires_in_seconds: null,
  });
}
