CREATE TABLE payment_methods (
    account_id TEXT PRIMARY KEY,
    token TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invoices (
    id TEXT PRIMARY KEY,
    ride_id TEXT NOT NULL UNIQUE,
    tutor_id TEXT NOT NULL,
    walker_id TEXT,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- An invoice's payments: the first for its lines, one more for each tip.
CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    invoice_id TEXT NOT NULL REFERENCES invoices (id),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    token TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'captured', 'declined')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_of_invoice ON payments (invoice_id);
CREATE INDEX payments_due ON payments (due_at_ms) WHERE due_at_ms IS NOT NULL;

-- The embedded test provider's own memory: what it was asked, and when it will have confirmed.
CREATE TABLE test_provider_charges (
    payment_id TEXT PRIMARY KEY,
    amount_minor INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('captured', 'declined')),
    known_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The ledger. A transfer takes from one account what it gives to another, in one currency: every set of transfers sums to
-- zero because no row can do otherwise.
CREATE TABLE ledger_accounts (
    id TEXT NOT NULL,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    PRIMARY KEY (id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_transfers (
    id TEXT PRIMARY KEY,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    CHECK (debit <> credit),
    FOREIGN KEY (debit, currency) REFERENCES ledger_accounts (id, currency),
    FOREIGN KEY (credit, currency) REFERENCES ledger_accounts (id, currency)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_by_debit ON ledger_transfers (debit, currency);
CREATE INDEX ledger_by_credit ON ledger_transfers (credit, currency);
CREATE INDEX ledger_by_invoice ON ledger_transfers (invoice_id);

CREATE TRIGGER ledger_transfers_stay BEFORE UPDATE ON ledger_transfers
BEGIN
    SELECT raise(ABORT, 'constraint: a transfer is never changed');
END;

CREATE TRIGGER ledger_transfers_are_kept BEFORE DELETE ON ledger_transfers
BEGIN
    SELECT raise(ABORT, 'constraint: a transfer is never removed');
END;

-- Each transfer as its two entries, for reports: debits negative, credits positive.
CREATE VIEW ledger_entries AS
    SELECT id AS transfer_id, debit AS account, currency, -amount_minor AS amount_minor FROM ledger_transfers
    UNION ALL
    SELECT id, credit, currency, amount_minor FROM ledger_transfers;
