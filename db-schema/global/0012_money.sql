-- What is posted to the ledger was captured before. A payment is for a ride, a tip or an order; `payment_shares` has what each
-- account gets of it once it is captured, and the platform gets the rest.
CREATE TABLE payments_by_kind (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('ride', 'tip', 'order')),
    payer TEXT NOT NULL,
    invoice_id TEXT REFERENCES invoices (id),
    order_id TEXT,
    order_attempt INTEGER NOT NULL DEFAULT 0,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    token TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'captured', 'declined', 'replaced')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ms INTEGER,
    CHECK ((kind = 'order') = (order_id IS NOT NULL)),
    CHECK ((kind = 'order') = (invoice_id IS NULL))
) STRICT, WITHOUT ROWID;

-- The first payment of an invoice is its ride's, where the ride cost something; the others are tips.
INSERT INTO payments_by_kind
    SELECT p.id,
        CASE WHEN p.id = (SELECT min(o.id) FROM payments o WHERE o.invoice_id = p.invoice_id)
            AND EXISTS (SELECT 1 FROM ledger_transfers t
                WHERE t.invoice_id = p.invoice_id AND t.reason IN ('walk', 'platform-fee'))
            THEN 'ride' ELSE 'tip' END,
        i.tutor_id, p.invoice_id, NULL, 0, p.amount_minor, p.currency, p.token, p.state, p.attempts, p.due_at_ms
    FROM payments p JOIN invoices i ON i.id = p.invoice_id;

DROP TABLE payments;
ALTER TABLE payments_by_kind RENAME TO payments;

CREATE INDEX payments_of_invoice ON payments (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE UNIQUE INDEX payments_of_order ON payments (order_id, order_attempt) WHERE order_id IS NOT NULL;
CREATE INDEX payments_due ON payments (due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX payments_owed ON payments (payer, id) WHERE state = 'declined' AND kind = 'ride';

CREATE TABLE payment_shares (
    payment_id TEXT NOT NULL REFERENCES payments (id),
    account TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (payment_id, account)
) STRICT, WITHOUT ROWID;

INSERT INTO payment_shares
    SELECT p.id, t.credit, sum(t.amount_minor) FROM payments p
    JOIN ledger_transfers t ON t.invoice_id = p.invoice_id AND t.reason = 'walk' WHERE p.kind = 'ride' GROUP BY p.id, t.credit;
INSERT INTO payment_shares
    SELECT p.id, 'walker:' || i.walker_id, p.amount_minor FROM payments p
    JOIN invoices i ON i.id = p.invoice_id WHERE p.kind = 'tip' AND i.walker_id IS NOT NULL;

-- What was credited before it was paid, and is not paid: taken back.
INSERT INTO ledger_transfers
    SELECT p.id || ':unpaid', s.account, 'tutor:' || p.payer, s.amount_minor, p.currency, 'not-paid', p.invoice_id,
        (SELECT max(t.at_ms) FROM ledger_transfers t WHERE t.invoice_id = p.invoice_id)
    FROM payments p JOIN payment_shares s ON s.payment_id = p.id WHERE p.state <> 'captured';
INSERT INTO ledger_transfers
    SELECT p.id || ':unpaid-fee', t.credit, t.debit, t.amount_minor, t.currency, 'not-paid', t.invoice_id, t.at_ms
    FROM payments p JOIN ledger_transfers t ON t.invoice_id = p.invoice_id AND t.reason = 'platform-fee'
    WHERE p.state <> 'captured' AND p.kind = 'ride';

-- An order is bought once its payment is captured. What it pays each partner was fixed at check-out.
ALTER TABLE orders ADD COLUMN payment TEXT NOT NULL DEFAULT 'none'
    CHECK (payment IN ('none', 'pending', 'captured', 'declined'));
ALTER TABLE orders ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

DROP INDEX orders_reserved;
CREATE INDEX orders_reserved ON orders (expires_at_ms) WHERE state = 'reserved' AND payment <> 'pending';
CREATE INDEX orders_paying ON orders (id) WHERE payment = 'pending';
CREATE INDEX orders_open ON orders (tutor_id) WHERE state = 'reserved';

CREATE TABLE order_shares (
    order_id TEXT NOT NULL REFERENCES orders (id),
    partner_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (order_id, partner_id)
) STRICT, WITHOUT ROWID;

-- Who used which coupon: held for a quote from its booking on until `held_until_ms`, and for good once the ride is in the
-- events, unless that ends without costing anything.
CREATE TABLE coupon_uses (
    code TEXT NOT NULL REFERENCES coupons (code),
    account_id TEXT NOT NULL,
    quote_id TEXT NOT NULL,
    held_until_ms INTEGER NOT NULL,
    ride_id TEXT,
    PRIMARY KEY (code, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX coupon_uses_by_ride ON coupon_uses (ride_id) WHERE ride_id IS NOT NULL;

-- How much an account did today (`day` counts days since 1970 in UTC), for limits per day.
CREATE TABLE daily_counts (
    account TEXT NOT NULL,
    what TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (account, what)
) STRICT, WITHOUT ROWID;
