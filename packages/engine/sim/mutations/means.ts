import type { Mutation, MutationSite } from "./mutation.ts";

/** A statement of this name is sent with another text. */
export function rewriting(
  name: string,
  change: (text: string) => string,
): NonNullable<Mutation["install"]> {
  return ({ cluster: { database } }) => {
    const before = database.sabotage.rewrite;
    database.sabotage.rewrite = (found, text) => {
      const sent = before?.(found, text) ?? text;
      if (found !== name) return sent;
      const changed = change(sent);
      if (changed === sent) throw new Error(`the mutation of ${name} changes nothing any more`);
      return changed;
    };
  };
}

/** One after the other. */
export const both =
  (...installs: NonNullable<Mutation["install"]>[]) =>
  (site: MutationSite): void => {
    for (const install of installs) install(site);
  };

/** Every so often, at random. */
export function sometimes(site: MutationSite, p: number): () => boolean {
  return () => site.rng.chance(p);
}

/** A function of the schema has another text. */
export function mutateFunction(name: string, text: string, instead: string): string {
  return `do $mutate$
    declare old text := pg_get_functiondef('parley.${name}'::regproc);
    begin
      if position('${text}' in old) = 0 then raise exception 'the mutation of ${name} changes nothing any more'; end if;
      create temporary table if not exists kept (name text, definition text);
      insert into kept values ('${name}', old);
      execute replace(old, '${text}', '${instead}');
    end $mutate$`;
}

export function restoreFunction(name: string): string {
  return `do $restore$
    begin
      execute (select definition from kept where name = '${name}' limit 1);
      drop table kept;
    end $restore$`;
}

/** How often a piece of a stream arrives that has an event of this type, on either transport. */
export function arriving(
  type: string,
  times: (site: MutationSite, has: (type: string) => boolean) => number,
): NonNullable<Mutation["install"]> {
  return (site) => {
    const over = (named: (type: string) => string) => (chunk: Buffer) => {
      const has = (wanted: string): boolean => chunk.includes(named(wanted));
      return has(type) ? Array.from({ length: times(site, has) }, () => chunk) : [chunk];
    };
    const { http } = site.cluster;
    http.onChunk = over((name) => `event: ${name}\n`);
    http.sockets.onChunk = over((name) => `"type":"${name}",`);
  };
}
