//! The region's events, for a relay that reads them here rather than from the region's file.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use spin_sdk::wasip3::clocks::monotonic_clock;

use super::bindings::petwalker::matching::rides;
use super::ops::Outcome;
use super::problem::Problem;

/// Records told at once, whatever is asked for.
const RECORDS_MAX: u32 = 512;
/// Bytes of records told at once, where there are several: a relay reads answers of a few times as much.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// How long an answer may wait for the first record.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Between two looks at the table, which nobody says anything of here.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Deserialize)]
struct Wanted {
    /// The sequence number after which.
    after: u64,
    /// Records at most.
    limit: u32,
    /// How long to wait where there is none yet, milliseconds.
    #[serde(default)]
    wait_ms: u32,
}

#[derive(Serialize)]
struct Told {
    /// Whose events they are.
    region: String,
    /// The records, in order.
    records: Vec<ByteBuf>,
}

/// Answers with the records after a number, waiting for the first where it was asked to.
pub async fn read(body: &Bytes) -> Outcome<Response> {
    let wanted: Wanted = rmp_serde::from_slice(body).map_err(|e| Problem::new("malformed", e.to_string()))?;
    let limit = wanted.limit.clamp(1, RECORDS_MAX);
    let mut left = Duration::from_millis(wanted.wait_ms.into()).min(WAIT_MAX);
    let mut records = loop {
        let records = rides::events_after(wanted.after, limit)?;
        let pause = LOOK_EVERY.min(left);
        if !records.is_empty() || pause.is_zero() {
            break records;
        }
        left -= pause;
        monotonic_clock::wait_for(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX)).await;
    };
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record: &&Vec<u8>| {
        let first = bytes == 0;
        bytes += record.len();
        first || bytes <= RECORD_BYTES_MAX
    });
    let count = fitting.count();
    records.truncate(count);
    let told = Told { region: rides::region()?, records: records.into_iter().map(ByteBuf::from).collect() };
    let told = rmp_serde::to_vec_named(&told).map_err(|e| Problem::new("internal", e.to_string()))?;
    Ok(told.into_response())
}
