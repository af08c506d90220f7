//! The wall clock.

/// Now, UTC milliseconds.
pub fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "no rule reads it: it is handed on, or compared with another clock"
    )]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
