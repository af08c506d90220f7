//! Command ids: a repeat is answered as the first time and does nothing more.

use petwalker_journal::CommandMark;
use petwalker_kernel::{AccountId, UtcMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{COMMANDS_A_DAY_MAX, Sql, SqlError, Value, count_daily};

/// The name of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who commands: an account's id, or what stands for one before there is an account.
    pub actor: String,
    /// The caller's own name for the command.
    pub id: String,
    /// Digest of what was asked.
    pub fingerprint: Vec<u8>,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The id was used for something else.
    #[error("the command id '{0}' was used before with another request")]
    KeyReused(String),
    /// The id is empty, too long, or has other than visible ASCII characters.
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

/// Carries out `work` once: inside the caller's transaction, a command that was carried out before is answered with
/// what it answered then. An account has [`COMMANDS_A_DAY_MAX`] of them a day.
///
/// # Errors
/// The error of `work`, that the id was used for something else, or that the account has done as much today as it may.
pub fn once<S: Sql, T: Serialize + DeserializeOwned, E: From<CommandError>>(
    sql: &S,
    command: &Command,
    now: UtcMillis,
    work: impl FnOnce(&S) -> Result<T, E>,
) -> Result<T, E> {
    if command.id.is_empty() || command.id.len() > 255 || !command.id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(CommandError::BadId.into());
    }
    let known = sql
        .first(
            "SELECT fingerprint, outcome FROM commands WHERE actor = ?1 AND id = ?2",
            &[command.actor.as_str().into(), command.id.as_str().into()],
        )
        .map_err(CommandError::from)?;
    if let Some(row) = known {
        if row.blob(0).map_err(CommandError::from)? != command.fingerprint {
            return Err(CommandError::KeyReused(command.id.clone()).into());
        }
        return Ok(row.decode(1).map_err(CommandError::from)?);
    }
    // Who acts before there is an account is counted by address elsewhere.
    if command.actor.parse::<AccountId>().is_ok() {
        count_daily(sql, &command.actor, "commands", now, COMMANDS_A_DAY_MAX)?;
    }
    let outcome = work(sql)?;
    let stored = Value::encode(&outcome).map_err(CommandError::from)?;
    sql.execute(
        "INSERT INTO commands (actor, id, fingerprint, outcome, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            command.actor.as_str().into(),
            command.id.as_str().into(),
            command.fingerprint.as_slice().into(),
            stored,
            now.into(),
        ],
    )
    .map_err(CommandError::from)?;
    Ok(outcome)
}

/// Notes what a command came to that was carried out elsewhere and whose events were taken over here, inside the caller's
/// transaction. Of several events of one command the last one counts.
///
/// # Errors
/// When the database fails.
pub fn remember(
    sql: &impl Sql,
    mark: &CommandMark,
    outcome: &impl Serialize,
    at_ms: i64,
) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO commands (actor, id, fingerprint, outcome, at_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (actor, id) DO UPDATE SET outcome = excluded.outcome",
        &[
            mark.actor.as_str().into(),
            mark.id.as_str().into(),
            mark.fingerprint.as_slice().into(),
            Value::encode(outcome)?,
            at_ms.into(),
        ],
    )
    .map(drop)
}
