-- What a walker noted on the way, each under an id of the device's own.
CREATE TABLE track_marks (
    ride_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pee', 'poo', 'water', 'photo')),
    at_ms INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    PRIMARY KEY (ride_id, id)
) STRICT, WITHOUT ROWID;
