-- The pinned chats of an owner, in the order of the list: few among many, and asked for with every first page.
create index chats_pinned on parley.chats (owner_id, last_message_at desc, id desc) where pinned;
