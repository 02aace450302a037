-- Titles are made in the background. Who makes one says so here first, so that no two servers make the same; the row goes
-- when the title is there. What a crash leaves stands for the turn that was tried: the next turn tries anew.
create table parley.chat_titles (
  chat_id uuid primary key references parley.chats on delete cascade,
  turn_message_id bigint not null,
  claimed_at timestamptz not null default parley.now()
);
