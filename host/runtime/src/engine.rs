//! The one place where wasmtime is configured.

use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often the epoch advances: the grain at which a busy guest yields to others.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

/// What each component may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Linear memory of one instance, bytes.
    pub memory_bytes_max: usize,
    /// Time from a request's start to its response's first byte.
    pub request_timeout: Duration,
    /// How long an idle instance is kept.
    pub idle_timeout: Duration,
    /// How long an instance is used. Its linear memory never shrinks while it lives.
    pub instance_lifetime: Duration,
    /// Public requests under way in one component at once; more are answered 503.
    pub concurrent_requests_max: usize,
    /// Requests of the node itself under way in one component at once; more queue.
    pub internal_requests_max: usize,
    /// Requests on behalf of held clients under way in one component at once; more queue.
    pub held_requests_max: usize,
    /// Requests under way in one instance at once. A trap fails all of them.
    pub requests_per_instance_max: usize,
    /// Requests an instance answers before it is replaced.
    pub instance_reuse_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 128 << 20,
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            instance_lifetime: Duration::from_secs(30),
            concurrent_requests_max: 256,
            internal_requests_max: 32,
            held_requests_max: 16,
            requests_per_instance_max: 16,
            instance_reuse_max: 100_000,
        }
    }
}

/// Builds the engine that every component of a node runs in.
///
/// Compiled bytes of one engine load in any other that this function builds with the same wasmtime version and
/// processor, which is what lets the cache outlive the process.
///
/// # Errors
/// When the processor lacks what the compiler needs.
pub fn new_engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(1_000)
        .total_core_instances(20_000)
        .max_core_instances_per_component(200)
        .total_memories(2_000)
        .max_memories_per_component(40)
        .total_tables(4_000)
        .max_tables_per_component(80)
        .table_elements(20_000)
        .total_stacks(1_000)
        .max_memory_size(limits.memory_bytes_max)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        // What a burst of instances took is given back when they end. An instance answers many requests, so the pages that
        // it touches anew cost little.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .max_unused_warm_slots(64);

    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .wasm_backtrace_max_frames(std::num::NonZero::new(32))
        .parallel_compilation(true);
    Engine::new(&config)
}

/// Advances the engine's epoch for as long as the returned guard lives.
#[must_use]
pub fn start_ticker(engine: &Engine) -> Ticker {
    let weak = engine.weak();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while stopped.recv_timeout(EPOCH_TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        })
        .expect("the operating system gives a thread at start");
    Ticker { stop: Some(stop), thread: Some(thread) }
}

/// Stops the epoch when dropped.
#[derive(Debug)]
pub struct Ticker {
    stop: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread only ticks: a panic there has nothing to tell at this point.
            drop(thread.join());
        }
    }
}
