//! One component's instances and the requests they answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::component::{GuestTaskId, InstancePre};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{p2, p3};

use crate::admission::Admitted;
use crate::engine::Limits;
use crate::instance::{Grants, InstanceState};
use crate::population::Population;

/// Answers requests with instances of one component.
pub(crate) type Handler = ProxyHandler<ComponentState>;

/// What instances of one component are made from.
#[derive(Clone)]
pub(crate) struct ComponentState {
    engine: Engine,
    pre: Arc<ProxyPre<InstanceState>>,
    grants: Arc<Grants>,
    limits: Limits,
    health: Arc<Health>,
    population: Arc<Population>,
}

/// What is known of a component's instances together.
#[derive(Default)]
pub(crate) struct Health {
    /// Instances that ended by a trap or at a limit.
    traps: AtomicU64,
    /// Whether the node is leaving: instances that end now end with it.
    leaving: AtomicBool,
}

impl ComponentState {
    pub(crate) fn new(
        engine: &Engine,
        pre: InstancePre<InstanceState>,
        grants: Arc<Grants>,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        let pre = match p3::bindings::ServicePre::new(pre.clone()) {
            Ok(service) => ProxyPre::P3(service),
            Err(p3_error) => ProxyPre::P2(p2::bindings::ProxyPre::new(pre).map_err(|_| p3_error)?),
        };
        Ok(Self {
            engine: engine.clone(),
            pre: Arc::new(pre),
            grants,
            limits,
            health: Arc::default(),
            population: Arc::default(),
        })
    }

    /// The same, for instances that answer one request at a time.
    pub(crate) fn one_at_a_time(&self) -> Self {
        let limits = Limits { requests_per_instance_max: 1, ..self.limits };
        Self { limits, population: Arc::default(), ..self.clone() }
    }

    /// How many instances there are.
    pub(crate) fn population(&self) -> Arc<Population> {
        self.population.clone()
    }

    /// What is known of the instances together.
    pub(crate) fn health(&self) -> Arc<Health> {
        self.health.clone()
    }
}

impl Health {
    /// Instances that ended by a trap or at a limit, so far.
    pub(crate) fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// Says that the node is leaving.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

impl HandlerState for ComponentState {
    type StoreData = InstanceState;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<InstanceState, Expiration, Worker>> {
        let mut store = Store::new(&self.engine, InstanceState::new(self.grants.clone(), &self.limits));
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let proxy = tokio::time::timeout(self.limits.request_timeout, self.pre.instantiate_async(&mut store));
        let proxy = proxy.await.map_err(|_| wasmtime::format_err!("an instance did not start in time"))??;
        self.population.add();
        Ok(Instance {
            store,
            proxy,
            view: InstanceState::http_view,
            expiration: Expiration {
                idle: self.limits.idle_timeout,
                request: self.limits.request_timeout,
                end_of_life: Instant::now() + self.limits.instance_lifetime,
                sleep: Box::pin(tokio::time::sleep(self.limits.idle_timeout)),
            },
            state: Worker {
                component: self.grants.id.clone(),
                limits: self.limits,
                end_of_life: Instant::now() + self.limits.instance_lifetime,
                health: self.health.clone(),
                population: self.population.clone(),
            },
        })
    }
}

/// Ends an instance that is idle for long or old, or whose newest request outlives its time. Polled outside the guest's event
/// loop, so a guest that never yields to it is ended too.
pub(crate) struct Expiration {
    idle: Duration,
    request: Duration,
    end_of_life: Instant,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let deadline = match status {
            WorkerStatus::Idle => (start + self.idle).min(self.end_of_life),
            WorkerStatus::Requests | WorkerStatus::PostReturn => start + self.request,
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// Decides how many requests one instance takes, and hears of its end.
pub(crate) struct Worker {
    component: String,
    limits: Limits,
    end_of_life: Instant,
    health: Arc<Health>,
    population: Arc<Population>,
}

impl WorkerState for Worker {
    type StoreData = InstanceState;
    type RequestData = Admitted;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        let is_spent = total >= self.limits.instance_reuse_max || Instant::now() >= self.end_of_life;
        let is_idle = concurrent == 0 && total > 0;
        if is_spent || (is_idle && self.population.may_spare_one()) {
            ShouldAccept::Never
        } else if concurrent >= self.limits.requests_per_instance_max {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, InstanceState>,
        admitted: Admitted,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        let timeout = tokio::time::sleep(self.limits.request_timeout);
        // Dropped once the guest has answered or its time is over: then somebody else is admitted.
        Box::pin(async move {
            timeout.await;
            drop(admitted);
        })
    }

    fn drop(&self, store: Store<InstanceState>, result: Result<(), wasmtime::Error>) {
        self.population.remove();
        if let Err(error) = result
            && !self.health.leaving.load(Ordering::Relaxed)
        {
            self.health.traps.fetch_add(1, Ordering::Relaxed);
            tracing::error!(component = self.component, error = format!("{error:#}"), "instance ended");
        }
        drop(store);
    }
}

/// Sends what a guest prints to the log, line by line.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    component: Arc<str>,
}

impl GuestOutput {
    pub(crate) fn new(component: &str) -> Self {
        Self { component: component.into() }
    }

    fn log(&self, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines().filter(|l| !l.trim().is_empty()) {
            tracing::info!(component = &*self.component, "{line}");
        }
    }
}

impl wasmtime_wasi::cli::IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl wasmtime_wasi::cli::StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl tokio::io::AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
