-- Sub-agents of a chat: listed, and counted before another one is started.
create index chats_children on parley.chats (parent_chat_id) where parent_chat_id is not null;
