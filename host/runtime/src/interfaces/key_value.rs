//! `spin:key-value@3.0.0`.

use std::sync::Arc;

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::SpinInterfaces;
use super::generated::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore, Store};
use crate::instance::InstanceState;
use crate::storage::{KeyValueStore, SqlError};

/// A store that a component holds.
#[derive(Clone)]
pub struct OpenStore(Arc<dyn KeyValueStore>);

/// Stores an instance may hold open at once.
const OPEN_STORES_MAX: usize = 64;

impl Host for InstanceState {}

impl HostStore for InstanceState {
    async fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        self.open_stores -= 1;
        Ok(())
    }
}

fn store<T>(accessor: &Accessor<T, SpinInterfaces>, store: &Resource<Store>) -> wasmtime::Result<OpenStore> {
    accessor.with(|mut access| Ok(access.get().table.get(store)?.clone()))
}

impl<T> HostStoreWithStore<T> for SpinInterfaces {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, Error>> {
        accessor.with(|mut access| {
            let state = access.get();
            let granted = match state.component.stores.get(&label) {
                None => return Ok(Err(Error::AccessDenied)),
                Some(None) => return Ok(Err(Error::NoSuchStore)),
                Some(Some(store)) => store.clone(),
            };
            if state.open_stores >= OPEN_STORES_MAX {
                return Ok(Err(Error::StoreTableFull));
            }
            state.open_stores += 1;
            Ok(Ok(state.table.push(OpenStore(granted))?))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(store(accessor, &this)?.0.get(&key).await.map_err(to_error))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(store(accessor, &this)?.0.set(&key, value).await.map_err(to_error))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(store(accessor, &this)?.0.delete(&key).await.map_err(to_error))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        Ok(store(accessor, &this)?.0.get(&key).await.map(|v| v.is_some()).map_err(to_error))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let (keys, end) = match store(accessor, &this)?.0.keys().await {
            Ok(keys) => (keys, Ok(())),
            Err(e) => (Vec::new(), Err(to_error(e))),
        };
        accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(end) })?;
            Ok((stream, end))
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn to_error(error: SqlError) -> Error {
    Error::Other(error.to_string())
}
