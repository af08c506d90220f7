-- The topic that the holder publishes to: who reads another does not know what that holder acknowledged, and must not follow
-- it. Empty: taken before this was noted.
ALTER TABLE leases ADD COLUMN topic TEXT NOT NULL DEFAULT '';
