-- What was answered before held personal data, and digests that tell what they are of. A command of before, sent again, is
-- another one.
DELETE FROM commands;

-- When a ride was over. For rides that were over before this was noted: 60 days after they were asked for, which is as far
-- ahead as a ride may be asked for; their ids begin with the millisecond in hexadecimal digits.
ALTER TABLE rides ADD COLUMN ended_at_ms INTEGER;
WITH RECURSIVE digits (id, place, ms) AS (
    SELECT id, 1, 0 FROM rides WHERE state IN ('completed', 'interrupted', 'cancelled', 'expired', 'no_show')
    UNION ALL
    SELECT id, place + 1, ms * 16 + instr('0123456789abcdef', substr(replace(id, '-', ''), place, 1)) - 1
    FROM digits WHERE place <= 12
)
UPDATE rides SET ended_at_ms = digits.ms + 60 * 86400000 FROM digits WHERE digits.id = rides.id AND digits.place = 13;

CREATE INDEX rides_ended ON rides (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX offers_by_end ON offers (expires_at_ms);
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- Up to when rows of each kind were removed because their time was over.
CREATE TABLE purges (
    what TEXT PRIMARY KEY,
    before_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the pets of a quote are fetched, sealed with its tutor's key; none in what was stored before, whose body says it.
ALTER TABLE quotes ADD COLUMN place BLOB;

DROP VIEW replicated_quotes;
CREATE VIEW replicated_quotes AS SELECT id, account_id, expires_at_ms, body, place FROM quotes;

-- What is a person's, to be found when they are erased.
CREATE INDEX quotes_by_account ON quotes (account_id);
CREATE INDEX tracks_by_tutor ON tracks (tutor_id) WHERE tutor_id IS NOT NULL;
