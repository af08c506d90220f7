CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    display_name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('tutor', 'walker', 'operator', 'partner')),
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a log-in; the digest of its newest refresh token, and of those traded before.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    used_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE pets (
    id TEXT PRIMARY KEY,
    tutor_id TEXT NOT NULL REFERENCES accounts (id),
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pets_by_tutor ON pets (tutor_id, id);

CREATE TABLE walkers (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    body BLOB NOT NULL,
    stars_total INTEGER NOT NULL DEFAULT 0,
    ratings INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE ratings (
    ride_id TEXT PRIMARY KEY,
    tutor_id TEXT NOT NULL,
    walker_id TEXT NOT NULL REFERENCES walkers (account_id),
    stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    comment TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_account ON sessions (account_id, expires_at_ms);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
