//! Removing what was kept long enough.

use petwalker_kernel::UtcMillis;
use petwalker_store::{Sql, forget_commands, forget_daily_counts};

use super::Refusal;
use crate::domain::{LOG_INS, SIGN_UPS};
use crate::sql;

/// Rows of a kind that one call removes: writers wait meanwhile.
const ROWS_MAX: u32 = 500;

/// Removes tickets of the region's database, and sessions, their tokens, commands, counts of past days and forgotten attempts
/// of the global one; how many rows of what. Only reads where there is nothing to remove.
///
/// # Errors
/// When a database fails.
pub fn purge(
    region: &impl Sql,
    global: &impl Sql,
    now: UtcMillis,
) -> Result<Vec<(&'static str, u64)>, Refusal> {
    let tickets = sql::purge_ended_tickets(region, now, ROWS_MAX)?;
    let (sessions, tokens) = sql::purge_ended(global, now, ROWS_MAX)?;
    let commands = forget_commands(global, now, ROWS_MAX)?;
    let counts = forget_daily_counts(global, now, ROWS_MAX)?;
    let forgotten_after = LOG_INS.forgotten_after.max(SIGN_UPS.forgotten_after);
    let attempts = sql::purge_attempts(global, now.minus(forgotten_after), ROWS_MAX)?;
    Ok(vec![
        ("tickets", tickets),
        ("sessions", sessions),
        ("refresh_tokens", tokens),
        ("global_commands", commands),
        ("global_daily_counts", counts),
        ("attempts", attempts),
    ])
}

#[cfg(test)]
mod tests {
    use super::purge;
    use petwalker_kernel::{Millis, UtcMillis};
    use petwalker_store::{NativeDatabase, Sql as _};

    const REGION: &str = include_str!("../../../../db-schema/region/schema.sql");
    const GLOBAL: &str = include_str!("../../../../db-schema/global/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    #[test]
    fn what_ended_goes_and_what_holds_stays() {
        let region = NativeDatabase::in_memory(REGION).expect("a database");
        let global = NativeDatabase::in_memory(GLOBAL).expect("a database");
        let day = 24 * 60 * 60_000;
        let at = |days: i64| NOW.plus(Millis::new(days * day)).get();
        global
            .execute(
                "INSERT INTO accounts VALUES ('a', 'a@x.example', 'a@x.example', 'h', 'A', 'tutor', 0)",
                &[],
            )
            .expect("an account");
        for (id, end) in [("ended", at(-1)), ("holds", at(1))] {
            let row = [id.into(), end.into()];
            let session = "INSERT INTO sessions (id, account_id, expires_at_ms) VALUES (?1, 'a', ?2)";
            global.execute(session, &row).expect("a session");
            let ticket = "INSERT INTO tickets (digest, account_id, role, purpose, access_ends_at_ms, expires_at_ms) \
                 VALUES (CAST(?1 AS BLOB), 'a', 'tutor', 'p', ?2, ?2)";
            region.execute(ticket, &row).expect("a ticket");
        }
        for (n, session, used) in [
            (1_u8, "ended", None),
            (2, "holds", None),
            (3, "holds", Some(at(-31))),
            (4, "holds", Some(at(-1))),
        ] {
            let row = [vec![n; 32].as_slice().into(), session.into(), used.into()];
            global.execute("INSERT INTO refresh_tokens VALUES (?1, ?2, ?3)", &row).expect("a token");
        }
        for (id, when) in [("old", at(-3)), ("new", at(-1))] {
            let row = [id.into(), when.into()];
            global.execute("INSERT INTO commands VALUES ('a', ?1, x'', x'', ?2)", &row).expect("a command");
        }
        for (account, when) in [("old", at(-2)), ("new", at(-1))] {
            let row = [account.into(), (when / day).into()];
            global.execute("INSERT INTO daily_counts VALUES (?1, 'x', ?2, 1)", &row).expect("a count");
        }
        for (place, when) in [(1_i64, at(-1)), (2, at(0))] {
            let row = [place.into(), when.into()];
            global
                .execute("INSERT INTO attempts VALUES (?1, zeroblob(16), 1, ?2, 0)", &row)
                .expect("an attempt");
        }
        let expected = [
            ("tickets", 1),
            ("sessions", 1),
            ("refresh_tokens", 2),
            ("global_commands", 1),
            ("global_daily_counts", 1),
            ("attempts", 1),
        ];
        assert_eq!(purge(&region, &global, NOW), Ok(expected.to_vec()));
        assert_eq!(purge(&region, &global, NOW), Ok(expected.map(|(what, _)| (what, 0)).to_vec()));
        let left = global.query("SELECT digest FROM refresh_tokens ORDER BY 1", &[]).expect("read");
        assert_eq!(left.len(), 2, "an unused one, and one whose second use would tell of a thief");
    }
}
