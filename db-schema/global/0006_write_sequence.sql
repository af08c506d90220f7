-- How many transactions wrote this database. A replica shows by it which of them it has.
CREATE TABLE write_sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO write_sequence (one, seq) VALUES (1, 0);
