import { mutateFunction, restoreFunction, rewriting } from "./means.ts";
import type { Mutation } from "./mutation.ts";

const noFaults = { onlyFaults: [] } as const;

/** Checkers that check several things have a bug for each of these as well. */
export const particularMutations: readonly Mutation[] = [
  {
    name: "files that nobody names stay",
    checker: "files",
    says: /has no end/,
    breaks: "what nobody names has an end",
    install: rewriting("files.end", (text) =>
      text.replace("expires_at = ends.unused", "expires_at = null"),
    ),
    options: noFaults,
  },
  {
    name: "files go with the first chat that is deleted",
    checker: "files",
    says: / went by /,
    breaks: "a chat's files are kept",
    alter: {
      apply: mutateFunction(
        "release_file",
        `set expires_at = least(expires_at, parley.now()), sweep_at = parley.now()
    where id = old.file_id and not exists (select from parley.chat_files where file_id = old.file_id)`,
        "set state = ''expired'' where id = old.file_id",
      ),
      undo: restoreFunction("release_file"),
    },
    options: noFaults,
  },
  {
    name: "deleted chats come back",
    checker: "lists",
    says: /came back after it was deleted/,
    breaks: "what is deleted stays deleted",
    install: rewriting("watch.changed", (text) =>
      text.replace(
        "from parley.chats",
        "from (table parley.chats union all table parley_sim.ghosts) as chats",
      ),
    ),
    alter: {
      apply: `create table parley_sim.ghosts (like parley.chats);
        create function parley_sim.haunt() returns trigger language plpgsql as $$
        begin
          old.changed_xid := '900000000'::xid8;
          insert into parley_sim.ghosts select old.*;
          return old;
        end $$;
        create trigger aa_haunt before delete on parley.chats
          for each row execute function parley_sim.haunt()`,
      undo: `drop trigger aa_haunt on parley.chats; drop function parley_sim.haunt();
        drop table parley_sim.ghosts`,
    },
    options: noFaults,
  },
];
