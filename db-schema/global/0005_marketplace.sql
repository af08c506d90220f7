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
