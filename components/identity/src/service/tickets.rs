//! One-use tickets.

use petwalker_kernel::{Millis, Moment, UtcMillis};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use crate::domain::{Claims, OpaqueToken, TokenError, invalid};
use crate::sql::{self, Ticket};

/// How long a ticket waits to be used.
const LIFETIME: Millis = Millis::from_secs(30);
/// Characters of a purpose.
const PURPOSE_MAX: usize = 200;

/// Issues a ticket for one purpose to the holder of an access token; its value and when it ends.
///
/// # Errors
/// When the purpose is too long or the database fails.
pub fn issue_ticket(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    claims: Claims,
    purpose: &str,
) -> Result<(String, UtcMillis), Refusal> {
    if purpose.len() > PURPOSE_MAX {
        return Ok(invalid("purpose", format!("may have {PURPOSE_MAX} characters"))?);
    }
    let value = OpaqueToken::new(moment);
    let ticket = Ticket {
        account: claims.account,
        role: claims.role,
        purpose: purpose.to_owned(),
        access_ends_at: claims.expires_at,
        expires_at: moment.now.plus(LIFETIME),
    };
    transaction(sql, |sql| {
        sql::purge_tickets(sql, moment.now)?;
        sql::insert_ticket(sql, value.digest(), &ticket)
    })?;
    Ok((value.encode(), ticket.expires_at))
}

/// Redeems a ticket, which ends it whatever comes of it.
///
/// # Errors
/// When it is unknown, used, ended or for another purpose, or the database fails.
pub fn redeem_ticket(sql: &impl Sql, now: UtcMillis, value: &str, purpose: &str) -> Result<Ticket, Refusal> {
    let value = OpaqueToken::decode(value)?;
    let ticket = sql::take_ticket(sql, value.digest())?;
    ticket
        .filter(|ticket| ticket.expires_at > now && ticket.purpose == purpose)
        .ok_or(Refusal::BadToken(TokenError::Expired))
}

#[cfg(test)]
mod tests {
    use super::{issue_ticket, redeem_ticket};
    use crate::domain::{Claims, Role};
    use petwalker_kernel::{AccountId, Millis, Moment, SeededEntropy, UtcMillis};
    use petwalker_store::NativeDatabase;

    const SCHEMA: &str = include_str!("../../../../db-schema/region/schema.sql");
    const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);

    #[test]
    fn a_ticket_is_good_once_for_its_purpose_and_its_time() {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let mut entropy = SeededEntropy(3);
        let mut moment = Moment { now: NOW, entropy: &mut entropy };
        let account = AccountId::new(&mut moment);
        let claims =
            Claims { account, role: Role::Tutor, session: None, expires_at: NOW.plus(Millis::from_mins(15)) };
        let mut issue = || issue_ticket(&sql, &mut moment, claims, "a").expect("issued").0;
        let (used, foreign, late) = (issue(), issue(), issue());
        let redeem = |value: &str, purpose, seconds| {
            redeem_ticket(&sql, NOW.plus(Millis::from_secs(seconds)), value, purpose)
        };
        let ticket = redeem(&used, "a", 29).expect("good");
        assert_eq!(
            (ticket.account, ticket.role, ticket.access_ends_at),
            (account, Role::Tutor, claims.expires_at)
        );
        assert!(redeem(&used, "a", 29).is_err(), "used");
        assert!(redeem(&foreign, "b", 1).is_err(), "another purpose");
        assert!(redeem(&foreign, "a", 1).is_err(), "it was tried for another purpose");
        assert!(redeem(&late, "a", 30).is_err(), "ended");
        assert!(redeem("nonsense", "a", 0).is_err());
    }
}
