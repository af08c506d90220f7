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
