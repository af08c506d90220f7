//! The event table: a region's outbox and its log.

use petwalker_journal::{Envelope, RecordDigest, digest};
use petwalker_kernel::{EventId, Moment, RegionNumber};
use petwalker_seal::SealKey;
use serde::Serialize;

use crate::{Command, Row, Sql, SqlError, Value, transaction};

/// The region that a database holds and the epoch of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The region's name.
    pub name: String,
    /// The owner's epoch.
    pub epoch: u64,
    /// The region's number, which its ids carry.
    pub number: RegionNumber,
}

impl Region {
    /// Reads which region this database holds.
    ///
    /// # Errors
    /// When it holds none yet or the database fails.
    pub fn read(sql: &impl Sql) -> Result<Self, SqlError> {
        let row = sql
            .first("SELECT name, epoch, number FROM region WHERE one = 1", &[])?
            .ok_or_else(|| SqlError::Unavailable("the database holds no region yet".to_owned()))?;
        let number = RegionNumber::new(row.uint(2)?)
            .ok_or_else(|| SqlError::Stored("a region's number is below 4096".to_owned()))?;
        Ok(Self { name: row.text(0)?.to_owned(), epoch: row.uint(1)?, number })
    }
}

/// An event about to be appended.
pub struct NewEvent<'a, T> {
    /// What happened.
    pub event_type: &'a str,
    /// What it happened to.
    pub stream_id: String,
    /// The entity's version after it.
    pub version: u32,
    /// Version of the facts' schema.
    pub schema: u32,
    /// The facts.
    pub facts: &'a T,
    /// The command that it comes of. One that nobody can repeat leaves no mark.
    pub command: Option<&'a Command>,
}

/// Appends an event to the region's log, inside the caller's transaction; its sequence number.
///
/// # Errors
/// When the database fails or the event cannot be written.
pub fn append<T: Serialize>(
    sql: &impl Sql,
    region: &Region,
    moment: &mut Moment<'_>,
    event: NewEvent<'_, T>,
) -> Result<u64, SqlError> {
    let (seq, previous) = last(sql)?;
    let envelope = Envelope {
        event_id: EventId::new(moment).to_string(),
        event_type: event.event_type.to_owned(),
        stream_id: event.stream_id,
        version: event.version,
        region: region.name.clone(),
        epoch: region.epoch,
        seq: seq + 1,
        previous,
        at_ms: moment.now.get(),
        schema: event.schema,
        payload: rmp_serde::to_vec_named(event.facts).map_err(|e| SqlError::Stored(e.to_string()))?,
        command: event.command.and_then(Command::mark),
    };
    let seq = envelope.seq;
    let record = envelope.encode().map_err(|e| SqlError::Stored(e.to_string()))?;
    insert(sql, envelope, record)?;
    Ok(seq)
}

/// The last event's sequence number and digest.
fn last(sql: &impl Sql) -> Result<(u64, RecordDigest), SqlError> {
    let last = sql.first("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1", &[])?;
    last.map_or(Ok((0, RecordDigest::GENESIS)), |row| Ok((row.uint(0)?, digest_in(&row, 1)?)))
}

fn insert(sql: &impl Sql, envelope: Envelope, record: Vec<u8>) -> Result<(), SqlError> {
    let digest = digest(&record);
    sql.execute(
        "INSERT INTO events (seq, type, stream_id, record, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            Value::Integer(i64::try_from(envelope.seq).unwrap_or(i64::MAX)),
            envelope.event_type.into(),
            envelope.stream_id.into(),
            Value::Blob(record),
            digest.as_bytes().as_slice().into(),
        ],
    )?;
    Ok(())
}

/// An event as the region's owner wrote it.
#[derive(Clone, Debug)]
pub struct OwnersEvent {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// The key of the person it is about; none where it was erased, or the event has nothing sealed.
    pub seal_key: Option<SealKey>,
}

/// Takes over events that the region's owner appended and has their rows made, all in one transaction; the sequence number
/// of the last event there is then. What was taken over before is passed over.
///
/// # Errors
/// When a record is none, or was not appended after the last one here, or its rows cannot be made.
pub fn take_over<S: Sql, E: From<SqlError>>(
    sql: &S,
    events: Vec<OwnersEvent>,
    make_rows: impl Fn(&S, &Envelope, Option<&SealKey>) -> Result<(), E>,
) -> Result<u64, E> {
    transaction(sql, |sql| {
        for OwnersEvent { record, seal_key } in events {
            if let Some(envelope) = take_over_one(sql, record)? {
                make_rows(sql, &envelope, seal_key.as_ref())?;
            }
        }
        Ok(last(sql)?.0)
    })
}

/// Takes over an event that the region's owner appended, inside the caller's transaction: the event, of which the rows
/// are to be made; none where it was taken over before.
///
/// # Errors
/// When the record is none, or was not appended after the last one here, or the database fails.
fn take_over_one(sql: &impl Sql, record: Vec<u8>) -> Result<Option<Envelope>, SqlError> {
    let envelope = Envelope::decode(&record).map_err(|e| SqlError::Stored(e.to_string()))?;
    let (seq, previous) = last(sql)?;
    if envelope.seq <= seq {
        return Ok(None);
    }
    if envelope.seq != seq + 1 || envelope.previous != previous {
        let found = envelope.seq;
        return Err(SqlError::Stored(format!("event {found} was not written after event {seq} here")));
    }
    insert(sql, envelope.clone(), record)?;
    Ok(Some(envelope))
}

fn digest_in(row: &Row, column: usize) -> Result<RecordDigest, SqlError> {
    RecordDigest::from_slice(row.blob(column)?)
        .ok_or_else(|| SqlError::Stored("a digest has 32 bytes".to_owned()))
}

/// Records after `seq`, at most `limit`, in order.
///
/// # Errors
/// When the database fails or a record is damaged.
pub fn read_after(sql: &impl Sql, seq: u64, limit: u32) -> Result<Vec<(Envelope, Vec<u8>)>, SqlError> {
    let after = i64::try_from(seq).unwrap_or(i64::MAX);
    let rows = sql.query(
        "SELECT record FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        &[after.into(), limit.into()],
    )?;
    rows.iter()
        .map(|row| {
            let record = row.blob(0)?;
            let envelope = Envelope::decode(record).map_err(|e| SqlError::Stored(e.to_string()))?;
            Ok((envelope, record.to_owned()))
        })
        .collect()
}
