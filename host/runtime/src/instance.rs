//! What the host keeps for one component instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::engine::Limits;
use crate::outbound::{HostPattern, InProcess, OutboundHooks};
use crate::storage::{KeyValueStore, SqlDatabase};

/// What a component was granted. `None` under a label: granted, and not configured on this node.
pub(crate) struct Grants {
    pub(crate) id: String,
    pub(crate) databases: BTreeMap<String, Option<Arc<dyn SqlDatabase>>>,
    pub(crate) stores: BTreeMap<String, Option<Arc<dyn KeyValueStore>>>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) outbound: Arc<[HostPattern]>,
    pub(crate) in_process: Option<Arc<dyn InProcess>>,
}

/// The data of one instance's store.
pub(crate) struct InstanceState {
    pub(crate) component: Arc<Grants>,
    pub(crate) table: ResourceTable,
    pub(crate) limits: StoreLimits,
    pub(crate) open_stores: usize,
    pub(crate) open_connections: usize,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: OutboundHooks,
}

impl InstanceState {
    pub(crate) fn new(component: Arc<Grants>, limits: &Limits) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&component.environment)
            .stdout(crate::handler::GuestOutput::new(&component.id))
            .stderr(crate::handler::GuestOutput::new(&component.id));
        Self {
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(limits.memory_bytes_max).build(),
            open_stores: 0,
            open_connections: 0,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: OutboundHooks::new(component.outbound.clone(), component.in_process.clone()),
            component,
        }
    }

    pub(crate) fn http_view(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for InstanceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http_view()
    }
}
