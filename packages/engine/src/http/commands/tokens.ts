import type { CreateToken, CreateTokenAnswer, Token, TokensAnswer } from "@parley/protocol";
import { hashToken, newToken } from "../../domain/token.ts";
import { insertToken, listTokens, revokeToken, type TokenRow } from "../../store/tokens.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { NotFound } from "../errors.ts";
import { reader } from "../reader.ts";
import { isUuid } from "../uuid.ts";

/** The caller's own tokens that are not revoked. */
export async function listTokensCommand(
  context: HttpContext,
  caller: Caller,
): Promise<TokensAnswer> {
  const rows = await listTokens(reader(context.database, "http.list_tokens"), caller.principalId);
  return { tokens: rows.map((row) => tokenOf(row, caller)) };
}

/**
 * A new token for the caller. It takes no idempotency key: its answer holds a secret, which is stored nowhere. Who loses
 * the answer makes another one and revokes this.
 */
export async function createTokenCommand(
  context: HttpContext,
  caller: Caller,
  body: CreateToken,
): Promise<CreateTokenAnswer> {
  const secret = newToken(context.random);
  const id = context.random.uuid();
  const row = await context.database.write(
    (tx) =>
      insertToken(tx, {
        id,
        principal_id: caller.principalId,
        name: body.name,
        token_hash: hashToken(secret),
        expires_in_seconds: body.expires_in_seconds ?? null,
      }),
    { operation: "http.create_token" },
  );
  return { token: tokenOf(row, caller), secret };
}

/** Revokes a token of the caller's; its streams end at once. @throws NotFound */
export async function revokeTokenCommand(
  context: HttpContext,
  caller: Caller,
  tokenId: string,
): Promise<void> {
  const id = tokenId.toLowerCase();
  const revoked =
    isUuid(id) &&
    (await context.database.write((tx) => revokeToken(tx, caller.principalId, id), {
      operation: "http.revoke_token",
    }));
  if (!revoked) throw new NotFound("There is no such token.");
  context.authenticator.forget(id);
  context.streamRegistry.endToken(id);
}

function tokenOf(row: TokenRow, caller: Caller): Token {
  return {
    id: row.id,
    name: row.name,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
    is_current: row.id === caller.tokenId,
  };
}
