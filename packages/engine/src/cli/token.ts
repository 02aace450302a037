import type { Config } from "../config.ts";
import { hashToken, newToken } from "../domain/token.ts";
import type { Database } from "../postgres/database.ts";
import {
  findPrincipalByName,
  insertPrincipal,
  listPrincipals,
  lockPrincipals,
} from "../store/principals.ts";
import { insertToken, listTokens, revokeToken } from "../store/tokens.ts";
import { readMigrationState } from "../store/diagnosis.ts";
import { say, tell, type CliContext } from "./context.ts";
import { CliError, exitCodes } from "./exit.ts";
import { quietLogOf } from "./log.ts";
import { withDatabase } from "./open-database.ts";

const principalPattern = /^[\w.@+-]{1,100}$/;
const daysMax = 3650;
const secondsPerDay = 86_400;

/** `parley token create`: the token alone on standard output, so that a script can take it. */
export async function createToken(
  config: Config,
  context: CliContext,
  options: { principal: string; name: string; days?: string; admin?: boolean },
): Promise<void> {
  const { principal: principalName, name } = options;
  if (!principalPattern.test(principalName)) {
    throw usage(
      `--principal ${principalName}: must be letters, digits and . _ @ + -, at most 100.`,
    );
  }
  if (name === "" || name.length > 200) throw usage("--name: must be 1 to 200 characters.");
  const days = daysOf(options.days);
  const token = newToken(context.random);
  await onMigrated(config, context, async (database) => {
    const made = await database.write(
      async (tx) => {
        await lockPrincipals(tx);
        const known = await findPrincipalByName(tx, principalName);
        const principal =
          known ??
          (await insertPrincipal(tx, {
            id: context.random.uuid(),
            name: principalName,
            is_admin: options.admin === true,
          }));
        const row = await insertToken(tx, {
          id: context.random.uuid(),
          principal_id: principal.id,
          name,
          token_hash: hashToken(token),
          expires_in_seconds: days === null ? null : days * secondsPerDay,
        });
        return { row, principal, isNew: known === undefined };
      },
      { operation: "token.create" },
    );
    const { row, principal, isNew } = made;
    if (options.admin === true && !isNew && !principal.is_admin) {
      tell(
        context,
        `${principalName} exists already and is no administrator; that was not changed.`,
      );
    }
    const until = row.expires_at === null ? "" : `, until ${row.expires_at.toISOString()}`;
    tell(context, `token ${row.id} of ${principalName}${until}. It is shown only now:`);
  });
  say(context, token);
}

/** `parley token list`. */
export async function listAllTokens(
  config: Config,
  context: CliContext,
  options: { principal?: string },
): Promise<void> {
  await onMigrated(config, context, async (database) => {
    const rows = await database.read(
      async (tx) => {
        const principals = (await listPrincipals(tx)).filter(
          ({ name }) => options.principal === undefined || name === options.principal,
        );
        if (principals.length === 0 && options.principal !== undefined) {
          throw new CliError(`There is no principal named ${options.principal}.`);
        }
        const tokens = await Promise.all(
          principals.map(async (principal) =>
            (await listTokens(tx, principal.id)).map((token) => ({ principal, token })),
          ),
        );
        return tokens.flat();
      },
      { operation: "token.list" },
    );
    const table = rows.map(({ principal, token }) => [
      token.id,
      principal.is_admin ? `${principal.name} (admin)` : principal.name,
      token.name,
      token.created_at.toISOString().slice(0, 10),
      token.last_used_at?.toISOString().slice(0, 10) ?? "never",
      token.expires_at?.toISOString().slice(0, 10) ?? "never",
    ]);
    say(context, columns([["ID", "PRINCIPAL", "NAME", "MADE", "USED", "EXPIRES"], ...table]));
  });
}

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `parley token revoke ID`. */
export async function revokeOneToken(
  config: Config,
  context: CliContext,
  id: string,
): Promise<void> {
  if (!idPattern.test(id)) {
    throw usage(
      `${id} is no token id. "parley token list" shows the ids (never the token itself).`,
    );
  }
  await onMigrated(config, context, async (database) => {
    const revoked = await database.write(
      async (tx) => {
        for (const principal of await listPrincipals(tx)) {
          // oxlint-disable-next-line no-await-in-loop
          if (await revokeToken(tx, principal.id, id)) return true;
        }
        return false;
      },
      { operation: "token.revoke" },
    );
    if (!revoked) throw new CliError(`There is no token ${id} that is not revoked.`);
    say(context, `Revoked ${id}.`);
  });
}

async function onMigrated(
  config: Config,
  context: CliContext,
  fn: (database: Database) => Promise<void>,
): Promise<void> {
  await withDatabase(config, context, quietLogOf(config, context), async (database) => {
    const { applied } = await readMigrationState(database);
    if (applied === 0) {
      throw new CliError(
        "This database has not been set up yet.\n" +
          'Run "parley migrate", or start the server once with "parley serve".',
      );
    }
    await fn(database);
  });
}

function daysOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > daysMax) {
    throw usage(`--days ${text}: must be a whole number from 1 to ${daysMax}.`);
  }
  return days;
}

function usage(message: string): CliError {
  return new CliError(message, { exitCode: exitCodes.usage });
}

/** Left-aligned, two blanks apart. Control characters in a name must not reach the terminal. */
function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) =>
    row.map((cell) => cell.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?")),
  );
  const widths = (clean[0] ?? []).map((_, i) =>
    Math.max(...clean.map((row) => row[i]?.length ?? 0)),
  );
  return clean
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
