-- Walkers and partners that an operator has not approved, or not any more. Who was here before this rule stays approved.
CREATE TABLE awaiting_approval (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Partners whose products are neither shown nor sold.
CREATE TABLE unlisted_partners (
    partner_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
