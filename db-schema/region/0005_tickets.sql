-- One-use tickets for sockets of browsers, which cannot send an access token with their handshake.
CREATE TABLE tickets (
    digest BLOB PRIMARY KEY,
    account_id TEXT NOT NULL,
    role TEXT NOT NULL,
    purpose TEXT NOT NULL,
    access_ends_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_end ON tickets (expires_at_ms);
