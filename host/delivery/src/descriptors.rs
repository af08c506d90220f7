//! File descriptors: every connection takes one, and so do files and databases.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The part of a process's descriptors that connections of clients may take, in hundredths. The rest is for files, databases,
/// and connections of the node's own.
const PERCENT_FOR_CLIENTS: u64 = 60;

/// Raises the number of descriptors that this process may have open to what the system allows, and returns it; none where
/// there is no limit.
#[must_use]
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, open_files = limit.current, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// How many connections there may be, of those wanted, where a process may have so many descriptors.
#[must_use]
pub fn connections(wanted: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return wanted };
    let share = descriptors / 100 * PERCENT_FOR_CLIENTS + descriptors % 100 * PERCENT_FOR_CLIENTS / 100;
    wanted.min(usize::try_from(share).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::{connections, raise};

    #[test]
    fn connections_leave_descriptors_for_files() {
        for (wanted, descriptors, expected) in [
            (20_000, Some(1_048_576), 20_000),
            (20_000, Some(20_000), 12_000),
            (20_000, Some(1_024), 614),
            (100, Some(1_024), 100),
            (20_000, None, 20_000),
            (20_000, Some(1), 1),
            (20_000, Some(u64::MAX), 20_000),
        ] {
            assert_eq!(connections(wanted, descriptors), expected, "{wanted} of {descriptors:?}");
        }
    }

    #[test]
    fn the_limit_is_what_the_system_allows() {
        let raised = raise();
        assert_eq!(raise(), raised, "it is raised once and for all");
        assert!(raised.is_none_or(|limit| limit >= 256), "{raised:?}");
    }
}
