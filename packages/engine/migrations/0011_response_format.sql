-- What a user's message asks the reply to be: null, or a JSON Schema with how it is to be taken. It goes from the queue into
-- the history with its message.
alter table parley.chat_messages add column response_format jsonb;
alter table parley.chat_queue add column response_format jsonb;
