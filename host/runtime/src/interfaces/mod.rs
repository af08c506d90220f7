//! The `spin:*` interfaces, implemented for [`InstanceState`](crate::instance::InstanceState).

mod key_value;
mod sqlite;
mod variables;

pub use key_value::OpenStore;
pub use sqlite::OpenConnection;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package edge:runtime;
            world imports {
                import spin:sqlite/sqlite@3.1.0;
                import spin:key-value/key-value@3.0.0;
                import spin:variables/variables@3.0.0;
            }
        ",
        path: [
            "../../wit/deps/spin-sqlite@3.1.0",
            "../../wit/deps/spin-key-value@3.0.0",
            "../../wit/deps/spin-variables@3.0.0",
        ],
        world: "edge:runtime/imports",
        imports: {
            // A function that never waits costs a tenth of one that might.
            "spin:sqlite/sqlite.[static]connection.open": trappable,
            "spin:sqlite/sqlite.[drop]connection": trappable,
            default: async | trappable,
        },
        with: {
            "spin:sqlite/sqlite.connection": super::OpenConnection,
            "spin:key-value/key-value.store": super::OpenStore,
        },
    });
}

use wasmtime::component::{HasData, Linker};

use crate::instance::InstanceState;

/// Selects the whole instance state as the data of the `spin:*` interfaces.
pub(crate) struct SpinInterfaces;

impl HasData for SpinInterfaces {
    type Data<'a> = &'a mut InstanceState;
}

/// Offers the `spin:*` interfaces to components.
pub(crate) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    use generated::spin;
    spin::sqlite::sqlite::add_to_linker::<_, SpinInterfaces>(linker, |state| state)?;
    spin::key_value::key_value::add_to_linker::<_, SpinInterfaces>(linker, |state| state)?;
    spin::variables::variables::add_to_linker::<_, SpinInterfaces>(linker, |state| state)
}
