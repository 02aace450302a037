-- What operators see of a replica, and what they may ask of it. Both travel with the beat that is written anyway.

-- A ring of figures (docs/operations.md, section 8), written anew every few seconds; null until there are any.
alter table parley.workers add column figures jsonb;
-- When the figures were written, by the database's clock.
alter table parley.workers add column figures_at timestamptz;
-- Somebody wants this worker to take nothing any more; it finds that with its next beat. Never taken back: a process that
-- starts again is another worker.
alter table parley.workers add column drain_requested_at timestamptz;
