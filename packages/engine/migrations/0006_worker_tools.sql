-- Which server tools a worker can run; null where it does not say (an older version). A chat with a call to a tool that
-- its worker lacks is handed to one that has it.
alter table parley.workers add column tools text[];
