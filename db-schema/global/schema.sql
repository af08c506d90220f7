-- What was answered to each command, so that a repeat is answered the same.
CREATE TABLE commands (
    actor TEXT NOT NULL,
    id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    outcome BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (actor, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX commands_by_age ON commands (at_ms);

-- How far each consumer that writes this file has read each stream.
CREATE TABLE consumer_offsets (
    consumer TEXT NOT NULL,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (consumer, stream)
) STRICT, WITHOUT ROWID;
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
-- A tariff covers the places whose geohash starts with its area; the longest area wins. Amounts in minor units.
CREATE TABLE tariffs (
    area TEXT PRIMARY KEY,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    time_zone TEXT NOT NULL,
    base_minor INTEGER NOT NULL CHECK (base_minor >= 0),
    per_minute_minor INTEGER NOT NULL CHECK (per_minute_minor >= 0),
    extra_pet_bp INTEGER NOT NULL CHECK (extra_pet_bp >= 0),
    large_minor INTEGER NOT NULL CHECK (large_minor >= 0),
    giant_minor INTEGER NOT NULL CHECK (giant_minor >= 0),
    night_bp INTEGER NOT NULL CHECK (night_bp >= 0),
    weekend_bp INTEGER NOT NULL CHECK (weekend_bp >= 0),
    surge_max_milli INTEGER NOT NULL CHECK (surge_max_milli >= 1000),
    platform_fee_bp INTEGER NOT NULL CHECK (platform_fee_bp BETWEEN 0 AND 10000),
    grace_min INTEGER NOT NULL,
    cutoff_hour INTEGER NOT NULL CHECK (cutoff_hour BETWEEN 0 AND 23),
    late_bp INTEGER NOT NULL CHECK (late_bp BETWEEN 0 AND 10000),
    arrived_bp INTEGER NOT NULL CHECK (arrived_bp BETWEEN 0 AND 10000)
) STRICT, WITHOUT ROWID;

-- Brazil (geohashes 6, 7 and d cover it, with neighbours) and Lisbon (eyc).
INSERT INTO tariffs VALUES
    ('6', 'BRL', 'America/Sao_Paulo', 1200, 55, 5000, 300, 600, 2000, 1000, 2000, 2000, 5, 20, 5000, 10000),
    ('7', 'BRL', 'America/Recife', 1200, 55, 5000, 300, 600, 2000, 1000, 2000, 2000, 5, 20, 5000, 10000),
    ('eyc', 'EUR', 'Europe/Lisbon', 600, 22, 5000, 150, 300, 2000, 1000, 2000, 2000, 5, 20, 5000, 10000);

CREATE TABLE coupons (
    code TEXT PRIMARY KEY,
    off_bp INTEGER NOT NULL CHECK (off_bp BETWEEN 1 AND 10000),
    off_max_minor INTEGER NOT NULL CHECK (off_max_minor > 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO coupons VALUES ('BEMVINDO', 1000, 1500, 'BRL', 4102444800000);
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
CREATE TABLE products (
    id TEXT PRIMARY KEY,
    partner_id TEXT NOT NULL,
    sku TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    stock INTEGER NOT NULL CHECK (stock >= 0),
    UNIQUE (partner_id, sku)
) STRICT, WITHOUT ROWID;

CREATE INDEX products_by_title ON products (title, id);
CREATE INDEX products_by_category ON products (category, title, id);

CREATE TABLE carts (
    tutor_id TEXT PRIMARY KEY,
    lines BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    tutor_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'confirmed', 'released')),
    lines BLOB NOT NULL,
    total_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_reserved ON orders (expires_at_ms) WHERE state = 'reserved';
-- How many transactions wrote this database. A replica shows by it which of them it has.
CREATE TABLE write_sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO write_sequence (one, seq) VALUES (1, 0);
-- Who may write each region. A row is written by compare-and-swap only; nobody's clock stands in it.
CREATE TABLE leases (
    region TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    renewal INTEGER NOT NULL,
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    heir TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- What a person's part of the regions' events is sealed with. Erasing the key, which leaves the row, erases it in all of them.
CREATE TABLE account_keys (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    seal_key BLOB CHECK (length(seal_key) = 32)
) STRICT, WITHOUT ROWID;

INSERT INTO account_keys (account_id, seal_key) SELECT id, randomblob(32) FROM accounts;
-- What an account was told: the event's id is its own, so that an event tells an account once. The words are those that were
-- the newest when it was told.
CREATE TABLE notifications (
    account_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    template INTEGER NOT NULL,
    ride_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0 CHECK (read IN (0, 1)),
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX notifications_unread ON notifications (account_id) WHERE read = 0;

-- In which words. A change is a new version in every language; those that were told keep theirs.
CREATE TABLE notification_templates (
    kind TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    locale TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, version, locale)
) STRICT, WITHOUT ROWID;

INSERT INTO notification_templates (kind, version, locale, title, body) VALUES
    ('ride-offered', 1, 'pt-BR', 'Passeio para você', 'Há um passeio perto de você. Aceite antes que a oferta termine.'),
    ('ride-offered', 1, 'en', 'A walk for you', 'There is a walk near you. Accept it before the offer ends.'),
    ('ride-accepted', 1, 'pt-BR', 'Passeio aceito', 'Um passeador aceitou o seu pedido.'),
    ('ride-accepted', 1, 'en', 'Your walk was accepted', 'A walker has accepted your request.'),
    ('walker-arrived', 1, 'pt-BR', 'O passeador chegou', 'Entregue o seu pet e diga o PIN ao passeador.'),
    ('walker-arrived', 1, 'en', 'The walker is here', 'Hand over your pet and tell the walker the PIN.'),
    ('ride-started', 1, 'pt-BR', 'O passeio começou', 'Acompanhe o passeio no mapa.'),
    ('ride-started', 1, 'en', 'The walk has begun', 'Follow the walk on the map.'),
    ('ride-completed', 1, 'pt-BR', 'Passeio concluído', 'Veja a rota e o recibo.'),
    ('ride-completed', 1, 'en', 'The walk is done', 'See the route and the invoice.'),
    ('ride-interrupted', 1, 'pt-BR', 'Passeio interrompido', 'O passeio terminou antes do previsto. Veja o motivo.'),
    ('ride-interrupted', 1, 'en', 'The walk was cut short', 'The walk ended before its time. See why.'),
    ('ride-cancelled', 1, 'pt-BR', 'Passeio cancelado', 'O passeio foi cancelado.'),
    ('ride-cancelled', 1, 'en', 'The walk was called off', 'The walk was called off.'),
    ('walker-withdrew', 1, 'pt-BR', 'Procuramos outro passeador', 'O passeador não poderá ir. Já procuramos outro.'),
    ('walker-withdrew', 1, 'en', 'Looking for another walker', 'The walker cannot come. We are looking for another.'),
    ('ride-expired', 1, 'pt-BR', 'Ninguém pôde ir', 'Nenhum passeador aceitou o pedido. Nada foi cobrado.'),
    ('ride-expired', 1, 'en', 'Nobody could come', 'No walker took your request. Nothing was charged.'),
    ('tutor-no-show', 1, 'pt-BR', 'O passeador não encontrou você', 'O passeador esperou e foi embora. Veja o recibo.'),
    ('tutor-no-show', 1, 'en', 'The walker did not find you', 'The walker waited and left. See the invoice.');
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
-- The topic that the holder publishes to: who reads another does not know what that holder acknowledged, and must not follow
-- it. Empty: taken before this was noted.
ALTER TABLE leases ADD COLUMN topic TEXT NOT NULL DEFAULT '';
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
-- What was answered before held personal data, and digests that tell what they are of. A command of before, sent again, is
-- another one.
DELETE FROM commands;

-- What is removed because its time is over is found by its time.
CREATE INDEX notifications_by_age ON notifications (at_ms);
CREATE INDEX sessions_by_end ON sessions (expires_at_ms);
CREATE INDEX refresh_tokens_by_age ON refresh_tokens (used_at_ms) WHERE used_at_ms IS NOT NULL;
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- Who was erased, in order: each region, and each part of the service, forgets them when it comes to them.
CREATE TABLE erasures (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL UNIQUE REFERENCES accounts (id),
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX ratings_by_tutor ON ratings (tutor_id);
CREATE INDEX ratings_by_walker ON ratings (walker_id);
CREATE INDEX payments_by_payer ON payments (payer);
-- Attempts that failed, by what they were made for: a log-in by its e-mail address, known or not, a sign-up by the address
-- that is taken. Addresses stand here as keyed digests only. Each digest has one place, so that there are never more rows
-- than places, whoever tries how many addresses; of two that share a place the later one takes it, unless the other waits.
CREATE TABLE attempts (
    place INTEGER PRIMARY KEY CHECK (place BETWEEN 0 AND 65535),
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    failures INTEGER NOT NULL CHECK (failures > 0),
    last_at_ms INTEGER NOT NULL,
    blocked_until_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_by_age ON attempts (last_at_ms);

-- How often a session was refreshed lately; it finds a session's tokens as the index did that it replaces.
CREATE INDEX refresh_tokens_by_use ON refresh_tokens (session_id, used_at_ms);
DROP INDEX refresh_tokens_by_session;
-- Walkers and partners that an operator has not approved, or not any more. Who was here before this rule stays approved.
CREATE TABLE awaiting_approval (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Partners whose products are neither shown nor sold.
CREATE TABLE unlisted_partners (
    partner_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
