-- An edit says what it replaced, so that earlier versions of a message can be shown: what was deleted stays in its place.
alter table parley.chat_messages add column replaces bigint;
