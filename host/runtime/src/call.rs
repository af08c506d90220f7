//! From a request to its component's answer.

use std::sync::Arc;

use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, TrapOrPanicError};

use crate::Body;
use crate::admission::{Admitted, Lane, Lanes};
use crate::handler::{Handler, Health};
use crate::isolated::{Isolated, IsolatedError};
use crate::population::Population;
use crate::route::Match;
use crate::turnstile::Turnstile;

/// Why a request has no answer from its component.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No route matches the path.
    #[error("no route matches {0}")]
    NoRoute(String),
    /// The component answers as many requests as it may.
    #[error("component '{0}' is answering as many requests as it may")]
    Full(String),
    /// The component did not answer in time.
    #[error("component '{0}' did not answer in time")]
    TimedOut(String),
    /// The component trapped, or could not be started.
    #[error("component '{component}' failed: {message}")]
    Failed {
        /// The component.
        component: String,
        /// What happened.
        message: String,
    },
}

/// A component that is ready to answer.
pub(crate) struct LoadedComponent {
    pub(crate) id: String,
    pub(crate) health: Arc<Health>,
    pub(crate) population: Arc<Population>,
    pub(crate) handler: Handler,
    pub(crate) lanes: Lanes,
    pub(crate) turnstile: Arc<Turnstile>,
    pub(crate) isolated: Vec<Isolated>,
}

impl LoadedComponent {
    /// Answers a request in a lane.
    pub(crate) async fn call(
        &self,
        lane: Lane,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        let full = || CallError::Full(self.id.clone());
        if let Some(isolated) = self.isolated.iter().find(|group| group.takes(request.uri().path())) {
            return isolated.answer(lane, request).await.map_err(|error| match error {
                IsolatedError::Full => full(),
                IsolatedError::Failed(error) => call_error(&self.id, &error),
                IsolatedError::BrokeOff(message) => CallError::Failed { component: self.id.clone(), message },
            });
        }
        let admitted = self.lanes.admit(lane).await.ok_or_else(full)?;
        let _pass = match lane {
            Lane::Public => Some(self.turnstile.pass().await),
            // The node's own never wait for strangers.
            Lane::Internal | Lane::Held => None,
        };
        self.handler.handle(admitted, request).await.map_err(|e| call_error(&self.id, &e))
    }

    /// Requests that each lane but the public one, and each isolated group, may still take at once, by name.
    pub(crate) fn others_free(&self) -> Vec<(String, usize)> {
        let lanes = [("internal", Lane::Internal), ("held", Lane::Held)];
        let lanes = lanes.map(|(name, lane)| (name.to_owned(), self.lanes.free(lane)));
        let isolated = self.isolated.iter().map(|group| (group.name().to_owned(), group.free()));
        lanes.into_iter().chain(isolated).collect()
    }
}

/// The headers by which Spin tells a component what matched.
pub(crate) fn add_route_headers(headers: &mut http::HeaderMap, matched: &Match) {
    use http::header::{HeaderName, HeaderValue};
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HeaderName::from_static("spin-path-info"), &matched.trailing);
    set(HeaderName::from_static("spin-matched-route"), &matched.pattern);
    for (name, value) in &matched.parameters {
        if let Ok(header) = HeaderName::try_from(format!("spin-path-match-{name}")) {
            set(header, value);
        }
    }
}

fn call_error(component: &str, error: &wasmtime::Error) -> CallError {
    let component = component.to_owned();
    if error.is::<ExpirationError>() {
        return CallError::TimedOut(component);
    }
    let message = if error.is::<TrapOrPanicError>() {
        "it trapped or reached a limit".to_owned()
    } else if let Some(e) = error.downcast_ref::<InstantiationError<Admitted>>() {
        if e.error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return CallError::Full(component);
        }
        format!("no instance could be made: {}", e.error)
    } else {
        format!("{error:#}")
    };
    CallError::Failed { component, message }
}
