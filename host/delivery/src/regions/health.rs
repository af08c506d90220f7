//! Which edges answer, and how busy they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How the edges were when they were last asked. Copies are the same.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, f64>>>);

impl Health {
    /// Notes an edge's answer: how busy it is, 0 to 1; none where it did not answer.
    pub fn note(&self, edge: &str, load: Option<f64>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match load {
            Some(load) => drop(known.insert(edge.to_owned(), load)),
            None => drop(known.remove(edge)),
        }
    }

    /// How busy an edge is; none where it did not answer.
    #[must_use]
    pub fn get(&self, edge: &str) -> Option<f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(edge).copied()
    }
}
