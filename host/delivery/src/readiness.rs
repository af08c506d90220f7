//! Whether a node is ready: its public listener accepts, and its components answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edge_runtime::{App, Lane, empty_body};
use http::Request;
use http_body_util::BodyExt as _;

use crate::disk::DiskGuard;
use crate::server::ListenerStatus;

/// How long each question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked to learn whether a node is ready.
pub struct Readiness {
    /// False while the node stops.
    pub serving: Arc<AtomicBool>,
    /// The public listener.
    pub listener: Arc<ListenerStatus>,
    /// The application.
    pub app: Arc<App>,
    /// A path that its components answer with success to anybody; none where they are not asked.
    pub path: Option<String>,
    /// Whether there is room on the disk.
    pub disk: Arc<DiskGuard>,
}

impl Readiness {
    /// What is to be said besides that it is ready, if anything; or why it is not.
    pub(crate) async fn ask(&self) -> Result<Option<&'static str>, String> {
        if !self.serving.load(Ordering::Relaxed) {
            return Err("the node stops".to_owned());
        }
        self.listener.probe(PATIENCE).await?;
        if let Some(path) = &self.path {
            let asking = tokio::time::timeout(PATIENCE, self.ask_components(path));
            asking.await.map_err(|_| format!("the components did not answer {path} in time"))??;
        }
        Ok(self.disk.is_full().then_some("the disk is nearly full: what stores is refused"))
    }

    async fn ask_components(&self, path: &str) -> Result<(), String> {
        let request = Request::get(format!("http://ready.internal{path}")).body(empty_body());
        let request = request.map_err(|e| format!("{path} cannot be asked for: {e}"))?;
        let response = self.app.call(Lane::Internal, request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        response.into_body().collect().await.map_err(|e| format!("the answer of {path} broke off: {e}"))?;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("the components answered {path} with {status}"))
        }
    }
}
