//! Command ids: a repeat is answered as the first time and does nothing more.
//!
//! What is kept of an outcome is what it takes to tell it again, such as an id: personal data is read again from where
//! it is kept, so that whatever erases it there erases it here.

use petwalker_journal::CommandMark;
use petwalker_kernel::{AccountId, Millis, UtcMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{COMMANDS_A_DAY_MAX, Sql, SqlError, Value, count_daily, remove_due};

/// How long a command is remembered. A repeat after that is another command.
pub const REMEMBERED_FOR: Millis = Millis::from_mins(48 * 60);

/// The name of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who commands: an account's id, or what stands for one before there is an account.
    pub actor: String,
    /// The caller's own name for the command; empty where the caller gave none, so that nobody can repeat it.
    pub id: String,
    /// Keyed digest of what was asked, without secrets.
    pub fingerprint: Vec<u8>,
}

impl Command {
    /// Whether the caller named it, and so may repeat it.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        !self.id.is_empty()
    }

    /// What events carry of it; none where nobody can repeat it.
    #[must_use]
    pub fn mark(&self) -> Option<CommandMark> {
        self.is_named().then(|| CommandMark {
            actor: self.actor.clone(),
            id: self.id.clone(),
            fingerprint: self.fingerprint.clone(),
        })
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The id was used for something else.
    #[error("the command id '{0}' was used before with another request")]
    KeyReused(String),
    /// The id is too long, or has other than visible ASCII characters.
    #[error("a command id is 1 to 255 visible ASCII characters")]
    BadId,
    /// The account has done as much today as it may.
    #[error("an account may make {most} {what} a day; go on tomorrow (UTC)")]
    QuotaReached {
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        most: u32,
    },
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// Carries out `work` once: inside the caller's transaction, a command that was carried out before is answered by
/// `again` from what `keep` kept of the first outcome. What is kept must hold no personal data and no secret. A command
/// without a name is carried out and not remembered. An account has [`COMMANDS_A_DAY_MAX`] commands a day, named or not;
/// repeats are not counted.
///
/// # Errors
/// The error of `work` or `again`, that the id was used for something else, or that the account has done as much today as
/// it may.
pub fn once<S: Sql, T, K: Serialize + DeserializeOwned, E: From<CommandError>>(
    sql: &S,
    command: &Command,
    now: UtcMillis,
    work: impl FnOnce(&S) -> Result<T, E>,
    keep: impl FnOnce(&T) -> K,
    again: impl FnOnce(&S, K) -> Result<T, E>,
) -> Result<T, E> {
    if let Some(kept) = kept(sql, command)? {
        return again(sql, kept);
    }
    // Who acts before there is an account is counted by address elsewhere.
    if command.actor.parse::<AccountId>().is_ok() {
        count_daily(sql, &command.actor, "commands", now, COMMANDS_A_DAY_MAX)?;
    }
    if !command.is_named() {
        return work(sql);
    }
    let outcome = work(sql)?;
    let kept = Value::encode(&keep(&outcome)).map_err(CommandError::from)?;
    sql.execute(
        "INSERT INTO commands (actor, id, fingerprint, outcome, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            command.actor.as_str().into(),
            command.id.as_str().into(),
            command.fingerprint.as_slice().into(),
            kept,
            now.into(),
        ],
    )
    .map_err(CommandError::from)?;
    Ok(outcome)
}

/// What was kept of a command's outcome; none where it was not carried out yet or has no name.
///
/// # Errors
/// When the id is none or was used for something else, or the database fails.
pub fn kept<K: DeserializeOwned>(sql: &impl Sql, command: &Command) -> Result<Option<K>, CommandError> {
    if !command.is_named() {
        return Ok(None);
    }
    if command.id.len() > 255 || !command.id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(CommandError::BadId);
    }
    let known = sql.first(
        "SELECT fingerprint, outcome FROM commands WHERE actor = ?1 AND id = ?2",
        &[command.actor.as_str().into(), command.id.as_str().into()],
    )?;
    let Some(row) = known else { return Ok(None) };
    if row.blob(0)? != command.fingerprint {
        return Err(CommandError::KeyReused(command.id.clone()));
    }
    Ok(Some(row.decode(1)?))
}

/// Notes what is kept of the outcome of a command that was carried out elsewhere and whose events were taken over here,
/// inside the caller's transaction. Of several events of one command the last one counts.
///
/// # Errors
/// When the database fails.
pub fn remember(
    sql: &impl Sql,
    mark: &CommandMark,
    kept: &impl Serialize,
    at_ms: i64,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO commands (actor, id, fingerprint, outcome, at_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (actor, id) DO UPDATE SET outcome = excluded.outcome",
        &[
            mark.actor.as_str().into(),
            mark.id.as_str().into(),
            mark.fingerprint.as_slice().into(),
            Value::encode(kept)?,
            at_ms.into(),
        ],
    )?;
    Ok(())
}

/// Forgets the commands that are older than [`REMEMBERED_FOR`], the oldest first, at most `limit`; how many. Only reads
/// where there are none.
///
/// # Errors
/// When the database fails.
pub fn forget_commands(sql: &impl Sql, now: UtcMillis, limit: u32) -> Result<u64, SqlError> {
    remove_due(
        sql,
        "SELECT 1 FROM commands WHERE at_ms < ?1 LIMIT 1",
        "DELETE FROM commands WHERE (actor, id) IN \
         (SELECT actor, id FROM commands WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
        now.minus(REMEMBERED_FOR),
        limit,
    )
}
