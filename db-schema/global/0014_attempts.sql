-- Attempts that failed, by what they were made for: a log-in by its e-mail address, known or not, a sign-up by the address
-- that is taken. Addresses stand here as keyed digests only. Each digest has one place, so that there are never more rows
-- than places, whoever tries how many addresses; of two that share a place the later one takes it, unless the other waits.
CREATE TABLE attempts (
    place INTEGER PRIMARY KEY CHECK (place BETWEEN 0 AND 65535),
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    failures INTEGER NOT NULL CHECK (failures > 0),
    last_at_ms INTEGER NOT NULL,
    blocked_until_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_by_age ON attempts (last_at_ms);

-- How often a session was refreshed lately; it finds a session's tokens as the index did that it replaces.
CREATE INDEX refresh_tokens_by_use ON refresh_tokens (session_id, used_at_ms);
DROP INDEX refresh_tokens_by_session;
