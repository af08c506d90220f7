//! The component: bindings, keys, and conversions between them and the domain.

mod accounts;
mod bindings;
mod convert;
mod keys;
mod profiles;

use petwalker_store::Database;

use crate::service::Refusal;

fn global() -> Result<Database, Refusal> {
    Ok(Database::open("global")?)
}

fn region() -> Result<Database, Refusal> {
    Ok(Database::open("region")?)
}
