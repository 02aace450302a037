import type { Random } from "../../lib/random.ts";
import type { Database } from "../../postgres/database.ts";
import { findPrincipalByName, insertPrincipal, lockPrincipals } from "../../store/principals.ts";
import { findToken, insertToken } from "../../store/tokens.ts";
import { hashToken } from "../../domain/token.ts";

/** The principal of the token that an installation prints at its first start. */
export const firstPrincipalName = "admin";

/**
 * Sees to it that this token is good: makes the principal `admin` and the token where they are missing. Safe with
 * several processes at once. A token that was revoked stays revoked.
 *
 * @returns whose token it is, and whether it is good.
 */
export async function ensureFirstToken(
  database: Database,
  random: Random,
  token: string,
): Promise<{ principalId: string; revoked: boolean }> {
  return await database.write(
    async (tx) => {
      await lockPrincipals(tx);
      const known = await findToken(tx, hashToken(token));
      if (known) return { principalId: known.principal_id, revoked: known.revoked_at !== null };
      const admin =
        (await findPrincipalByName(tx, firstPrincipalName)) ??
        (await insertPrincipal(tx, {
          id: random.uuid(),
          name: firstPrincipalName,
          is_admin: true,
        }));
      await insertToken(tx, {
        id: random.uuid(),
        principal_id: admin.id,
        name: "first use",
        token_hash: hashToken(token),
        expires_in_seconds: null,
      });
      return { principalId: admin.id, revoked: false };
    },
    { operation: "auth.first_token" },
  );
}
