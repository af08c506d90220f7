//! Tasks that must not end before the node does.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

/// Before a task that failed is begun anew.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a task to its end, and begins it anew where it panics.
pub(super) async fn supervise<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    task: impl Fn() -> F,
) {
    loop {
        // It ends with this: a set aborts what it holds.
        let mut running = JoinSet::new();
        running.spawn(task());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                metrics::counter!("tasks_restarted_total", "task" => name).increment(1);
                tracing::error!(task = name, %error, "a task failed, and is begun anew");
                tokio::time::sleep(PAUSE).await;
            }
            // It came to its end, or the runtime does.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::supervise;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_task_that_panics_is_begun_anew() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = begun.clone();
        supervise("a test's", move || {
            let begun = counted.clone();
            async move { assert!(begun.fetch_add(1, Ordering::Relaxed) >= 2, "on purpose") }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }
}
