-- Points of a walk by the hundred and more in a row instead of one. No release has stored any in the table before.
DROP TABLE track_points;

-- A ride's track: what is known of it, and the chunk that is being filled.
CREATE TABLE tracks (
    ride_id TEXT PRIMARY KEY,
    progress BLOB NOT NULL,
    tail BLOB NOT NULL,
    touched_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tracks_by_age ON tracks (touched_at_ms);

-- Its full chunks, numbered from 0 in the order of arrival.
CREATE TABLE track_chunks (
    ride_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    points BLOB NOT NULL,
    PRIMARY KEY (ride_id, number)
) STRICT, WITHOUT ROWID;
