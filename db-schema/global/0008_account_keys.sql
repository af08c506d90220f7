-- What a person's part of the regions' events is sealed with. Erasing the key, which leaves the row, erases it in all of them.
CREATE TABLE account_keys (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    seal_key BLOB CHECK (length(seal_key) = 32)
) STRICT, WITHOUT ROWID;

INSERT INTO account_keys (account_id, seal_key) SELECT id, randomblob(32) FROM accounts;
