import { mutateFunction, restoreFunction, rewriting, sometimes } from "./means.ts";
import type { Mutation } from "./mutation.ts";

/** What users do beyond talking, broken on purpose. */
export const useMutations: readonly Mutation[] = [
  {
    name: "a WebSocket repeats itself",
    checker: "delivery",
    breaks: "1: none twice, on the other transport",
    install: (site) => {
      const again = sometimes(site, 0.3);
      site.cluster.http.sockets.onChunk = (chunk) =>
        chunk.includes('"type":"message",') && again() ? [chunk, chunk] : [chunk];
    },
    options: { onlyFaults: [] },
  },
  {
    name: "files are not held",
    checker: "files",
    breaks: "a chat keeps the files that it names",
    alter: {
      apply: mutateFunction(
        "chat_messages_keep_rules",
        "perform parley.hold(new.chat_id, new.parts)",
        "null",
      ),
      undo: restoreFunction("chat_messages_keep_rules"),
    },
  },
  {
    name: "bytes are mixed up",
    checker: "files",
    breaks: "a file is what was uploaded",
    install: rewriting("file_chunks.read", (text) =>
      text.replace("select bytes", "select set_byte(bytes, 0, get_byte(bytes, 0) # 1) as bytes"),
    ),
    options: { onlyFaults: [] },
  },
  {
    name: "a reply counts for more than it says",
    checker: "spending",
    breaks: "what was used is the sum of what models said",
    alter: {
      apply: mutateFunction(
        "chat_messages_keep_rules",
        "usage_total_tokens = usage_total_tokens + c.total",
        "usage_total_tokens = usage_total_tokens + c.total + 1",
      ),
      undo: restoreFunction("chat_messages_keep_rules"),
    },
  },
  {
    name: "budgets have room for everything",
    checker: "spending",
    breaks: "spent and reserved together never exceed a budget",
    alter: {
      apply: mutateFunction("reserve_spend", "if refused is not null then", "if false then"),
      undo: restoreFunction("reserve_spend"),
    },
    options: { onlyFaults: [] },
  },
  {
    name: "whatever is said is valid",
    checker: "forms",
    breaks: "valid is what fits the schema",
    alter: {
      apply: `create function parley_sim.flatter() returns trigger language plpgsql as $$
        begin
          new.parts := replace(new.parts::text, '"outcome": "invalid"', '"outcome": "valid"')::jsonb;
          return new;
        end $$;
        create trigger aa_flatter before insert on parley.chat_messages
          for each row execute function parley_sim.flatter()`,
      undo: `drop trigger aa_flatter on parley.chat_messages; drop function parley_sim.flatter()`,
    },
    options: { onlyFaults: [] },
  },
  {
    name: "lists show everybody's chats",
    checker: "lists",
    breaks: "9: a list is its owner's",
    install: rewriting("watch.newest", (text) =>
      text.replace("owner_id = $1", "$1::uuid is not null"),
    ),
  },
  {
    name: "what was edited away is remembered",
    checker: "prompts",
    breaks: "a model is given the history as it is",
    install: rewriting("chat_messages.context", (text) =>
      text.replace("and not deleted and visibility", "and visibility"),
    ),
  },
  {
    name: "what was done is told otherwise",
    checker: "once",
    breaks: "the same call has the same answer",
    install: rewriting("idempotency_keys.find", (text) =>
      text.replace(
        ", response",
        String.raw`, regexp_replace(response::text, '"id": ([0-9]+)', '"id": 1\1', 'g')::jsonb as response`,
      ),
    ),
  },
  {
    name: "who decided is forgotten",
    checker: "decisions",
    breaks: "10: the first decision is the only one",
    alter: {
      apply: `create function parley_sim.forget() returns trigger language plpgsql as $$
        begin
          if new.state <> 'approved' then new.decided_by := null; end if;
          return new;
        end $$;
        create trigger aa_forget before update on parley.tool_executions
          for each row execute function parley_sim.forget()`,
      undo: `drop trigger aa_forget on parley.tool_executions; drop function parley_sim.forget()`,
    },
    options: { onlyFaults: [], models: { tools: 150 } },
  },
];
