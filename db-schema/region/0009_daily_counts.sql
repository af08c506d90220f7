-- How much an account did today (`day` counts days since 1970 in UTC), for limits per day. Of the region's owner only: a new
-- owner counts anew.
CREATE TABLE daily_counts (
    account TEXT NOT NULL,
    what TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (account, what)
) STRICT, WITHOUT ROWID;
