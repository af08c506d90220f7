-- What was answered before held personal data, and digests that tell what they are of. A command of before, sent again, is
-- another one.
DELETE FROM commands;

-- What is removed because its time is over is found by its time.
CREATE INDEX notifications_by_age ON notifications (at_ms);
CREATE INDEX sessions_by_end ON sessions (expires_at_ms);
CREATE INDEX refresh_tokens_by_age ON refresh_tokens (used_at_ms) WHERE used_at_ms IS NOT NULL;
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- Who was erased, in order: each region, and each part of the service, forgets them when it comes to them.
CREATE TABLE erasures (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL UNIQUE REFERENCES accounts (id),
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX ratings_by_tutor ON ratings (tutor_id);
CREATE INDEX ratings_by_walker ON ratings (walker_id);
CREATE INDEX payments_by_payer ON payments (payer);
