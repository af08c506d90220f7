//! How many records are handed over at once.

/// Bytes of records handed over at once, where there are several: whoever takes them reads bodies of twice as much.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// How many of the first records have no more than [`BATCH_BYTES_MAX`] together; one at least, where there is one.
#[must_use]
pub fn fitting<'a>(records: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for record in records {
        bytes += record.len();
        if bytes > BATCH_BYTES_MAX && count > 0 {
            break;
        }
        count += 1;
    }
    count
}

/// The records in runs of at most that many bytes.
pub(crate) fn runs(mut records: Vec<Vec<u8>>) -> impl Iterator<Item = Vec<Vec<u8>>> {
    std::iter::from_fn(move || {
        let count = fitting(records.iter().map(Vec::as_slice));
        let rest = records.split_off(count);
        let run = std::mem::replace(&mut records, rest);
        (!run.is_empty()).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES_MAX, runs};

    #[test]
    fn runs_are_bounded_whole_and_in_order() {
        let lengths = [BATCH_BYTES_MAX / 2, BATCH_BYTES_MAX / 2, 1, BATCH_BYTES_MAX + 7, 0, 3];
        let records: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
        let cut: Vec<Vec<usize>> = runs(records).map(|run| run.iter().map(Vec::len).collect()).collect();
        let expected = [&lengths[..2], &lengths[2..3], &lengths[3..4], &lengths[4..]];
        assert_eq!(cut, expected);
        assert_eq!(runs(Vec::new()).count(), 0);
    }
}
