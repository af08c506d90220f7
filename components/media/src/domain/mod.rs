//! What a photo is, what is taken out of it, and by which addresses the store knows it.

mod clean;
mod jpeg;
mod store;

pub use clean::{BadPhoto, PHOTO_BYTES_MAX, Photo, PhotoType, clean};
pub use store::{BadStore, Key, Store, StoreSettings};
