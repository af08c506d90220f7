//! What the pool must know of a statement before running it.

/// How a statement bears on the turn to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads: needs no turn.
    Select,
    /// Starts or ends a transaction that may only read: needs no turn.
    Control,
    /// Writes, or starts a transaction that will: needs the turn.
    Write,
}

impl Kind {
    /// Judges by the statement's leading keyword. What cannot be told apart counts as a write, which is always safe.
    pub(crate) fn of(sql: &str) -> Self {
        let sql = skip_comments(sql);
        let word: String =
            sql.chars().take_while(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
        match word.as_str() {
            "SELECT" | "EXPLAIN" | "VALUES" => Self::Select,
            "COMMIT" | "END" | "ROLLBACK" | "RELEASE" | "SAVEPOINT" => Self::Control,
            "BEGIN" => {
                let rest = sql[word.len()..].trim().to_ascii_uppercase();
                if rest.starts_with("IMMEDIATE") || rest.starts_with("EXCLUSIVE") {
                    Self::Write
                } else {
                    Self::Control
                }
            }
            "WITH" => {
                let upper = sql.to_ascii_uppercase();
                let writes = ["INSERT", "UPDATE", "DELETE", "REPLACE"].iter().any(|w| upper.contains(w));
                if writes { Self::Write } else { Self::Select }
            }
            _ => Self::Write,
        }
    }
}

fn skip_comments(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        if let Some(rest) = sql.strip_prefix("--") {
            sql = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(rest) = sql.strip_prefix("/*") {
            sql = rest.split_once("*/").map_or("", |(_, after)| after);
        } else {
            return sql;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn writes_are_told_from_reads() {
        for (sql, expected) in [
            ("SELECT 1", Kind::Select),
            ("  select 1", Kind::Select),
            ("-- note\nSELECT 1", Kind::Select),
            ("/* x */ INSERT INTO t VALUES (1)", Kind::Write),
            ("BEGIN", Kind::Control),
            ("begin immediate", Kind::Write),
            ("COMMIT", Kind::Control),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Kind::Select),
            ("WITH a AS (SELECT 1) DELETE FROM t", Kind::Write),
            ("CREATE TABLE t (a)", Kind::Write),
            ("", Kind::Write),
        ] {
            assert_eq!(Kind::of(sql), expected, "{sql}");
        }
    }
}
