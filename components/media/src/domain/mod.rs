//! What a photo is, what is taken out of it, and by which addresses the store knows it.

mod clean;
mod icc;
mod jpeg;
mod pixels;
mod png;
mod store;
mod webp;

pub use clean::{BadPhoto, PHOTO_BYTES_MAX, Photo, PhotoType, clean};
pub use pixels::{PIXELS_MAX, SIDE_MAX};
pub use store::{BadStore, Key, Listed, Store, StoreSettings, read_list};
