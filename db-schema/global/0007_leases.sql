-- Who may write each region. A row is written by compare-and-swap only; nobody's clock stands in it.
CREATE TABLE leases (
    region TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    renewal INTEGER NOT NULL,
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    heir TEXT NOT NULL
) STRICT, WITHOUT ROWID;
