//! The component: bindings, and conversions between them and the domain.

mod bindings;
mod convert;
mod presence;
mod rides;

use petwalker_store::{Database, SqlError};

/// Opens the region's database.
fn region() -> Result<Database, SqlError> {
    Database::open("region")
}
