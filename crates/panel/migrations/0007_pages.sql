-- When a token was last used, to the hour: knowing more would cost a write for every request. As in 0001: TEXT and BIGINT only.

ALTER TABLE token ADD COLUMN last_used_at BIGINT;

-- What the Activity of one request is found by, for the whole story of it.
CREATE INDEX activity_request ON activity (owner, request_id, id) WHERE request_id IS NOT NULL;
-- How many accounts were made in a day, and how quickly: reads no row.
CREATE INDEX operation_pace ON operation (owner, kind, started_at, finished_at, outcome);
-- What somebody did, the newest first, one outcome after the other; and of one kind of thing, what came to nothing.
CREATE INDEX activity_actor ON activity (owner, actor, outcome, id);
CREATE INDEX activity_actor_action ON activity (owner, actor, action, outcome, id);
CREATE INDEX activity_action_outcome ON activity (owner, action, outcome, id);
