//! SQL for components.
//!
//! A service takes `&impl Sql` and runs the same on `spin:sqlite` in a component and on native libSQL in a test. What
//! every domain does alike lives here: transactions, appending events with their sequence and digest, remembering
//! commands so that a repeat is answered as the first time, and consumer offsets.

mod commands;
mod events;
mod offsets;
mod purge;
mod quotas;
mod sql;

#[cfg(target_family = "wasm")]
mod spin;

#[cfg(all(feature = "native", not(target_family = "wasm")))]
mod native;

pub use commands::{Command, CommandError, REMEMBERED_FOR, forget_commands, kept, once, remember};
pub use events::{NewEvent, OwnersEvent, Region, append, read_after, take_over};
pub use offsets::{OffsetError, consume as consume_events, get as get_offset};
pub use purge::remove_due;
pub use quotas::{COMMANDS_A_DAY_MAX, count_daily, forget_daily_counts};
pub use sql::{Row, Sql, SqlError, Value, transaction};

#[cfg(target_family = "wasm")]
pub use spin::{Ambient, Database};

#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub use native::NativeDatabase;
