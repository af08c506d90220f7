-- What happened in each region on each day, in UTC.
CREATE TABLE insight_days (
    region TEXT NOT NULL,
    date TEXT NOT NULL,
    requested INTEGER NOT NULL,
    offers INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    interrupted INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    no_shows INTEGER NOT NULL,
    walked_ms INTEGER NOT NULL,
    walked_m INTEGER NOT NULL,
    PRIMARY KEY (date, region)
) STRICT, WITHOUT ROWID;
