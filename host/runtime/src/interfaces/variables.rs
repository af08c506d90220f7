//! `spin:variables@3.0.0`.

use wasmtime::component::Accessor;

use super::SpinInterfaces;
use super::generated::spin::variables::variables::{Error, Host, HostWithStore};
use crate::instance::InstanceState;
use crate::variables::is_valid_name;

impl Host for InstanceState {}

impl<T> HostWithStore<T> for SpinInterfaces {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> wasmtime::Result<Result<String, Error>> {
        Ok(accessor.with(|mut access| match access.get().component.variables.get(&name) {
            Some(value) => Ok(value.clone()),
            None if is_valid_name(&name) => Err(Error::Undefined(name)),
            None => Err(Error::InvalidName(name)),
        }))
    }
}
