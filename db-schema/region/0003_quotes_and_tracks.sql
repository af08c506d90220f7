CREATE TABLE quotes (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX quotes_by_end ON quotes (expires_at_ms);

-- Every fix that a device sent, kept for audit even where it does not count.
CREATE TABLE track_points (
    ride_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    accuracy_m REAL NOT NULL,
    elevation_m REAL,
    PRIMARY KEY (ride_id, seq)
) STRICT, WITHOUT ROWID;
