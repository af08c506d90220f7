//! Photos without what they tell besides the picture.
//!
//! Cameras write down where and with what a picture was taken, programs who changed it and a smaller copy of what it was
//! before. What is kept is listed, not what is removed: the picture, its colours, and which side is up. What it says of its size is
//! read before anybody makes room for it. Formats: JPEG
//! (ITU-T T.81), PNG (W3C, third edition), WebP (RFC 9649), EXIF 2.32.

use std::io::Cursor;

use img_parts::Bytes;

use super::jpeg::Jpeg;
use super::{png, webp};

/// Bytes of a photo.
pub const PHOTO_BYTES_MAX: usize = 8 << 20;

/// How a photo is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoType {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/webp`.
    Webp,
}

impl PhotoType {
    /// What the first bytes say.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }
}

/// A photo that tells nothing but the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// How it is written.
    pub photo_type: PhotoType,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Bytes that are no photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPhoto {
    /// None of the formats.
    #[error("must be a JPEG, PNG or WebP image")]
    Unknown,
    /// It breaks off, or contradicts itself.
    #[error("is damaged: send the image as the camera wrote it")]
    Damaged,
    /// More than [`PHOTO_BYTES_MAX`].
    #[error("may have 8 MiB")]
    TooLarge,
    /// More than [`PIXELS_MAX`](super::PIXELS_MAX), or a side of more than [`SIDE_MAX`](super::SIDE_MAX).
    #[error("may have 50 million pixels, and 16384 along a side")]
    TooManyPixels,
}

/// The photo without what it tells besides the picture.
///
/// # Errors
/// When the bytes are no photo that can be read, whatever they are called.
pub fn clean(bytes: &[u8]) -> Result<Photo, BadPhoto> {
    if bytes.len() > PHOTO_BYTES_MAX {
        return Err(BadPhoto::TooLarge);
    }
    let photo_type = PhotoType::of(bytes).ok_or(BadPhoto::Unknown)?;
    let cleaned = match photo_type {
        PhotoType::Jpeg => clean_jpeg(bytes)?,
        PhotoType::Png => png::clean(Bytes::copy_from_slice(bytes))?.to_vec(),
        PhotoType::Webp => webp::clean(Bytes::copy_from_slice(bytes))?.to_vec(),
    };
    Ok(Photo { photo_type, bytes: cleaned })
}

fn clean_jpeg(bytes: &[u8]) -> Result<Vec<u8>, BadPhoto> {
    let jpeg = Jpeg::read(bytes)?;
    jpeg.write(turn(jpeg.exif.clone()).as_deref())
}

/// The little that is kept of what the camera wrote: which side is up, where that is not the first row.
pub(super) fn turn(exif: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let exif = exif::Reader::new().read_raw(exif?).ok()?;
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
    let side = field.value.get_uint(0).and_then(|side| u16::try_from(side).ok())?;
    let field = exif::Field {
        tag: exif::Tag::Orientation,
        ifd_num: exif::In::PRIMARY,
        value: exif::Value::Short(vec![side]),
    };
    let mut written = Cursor::new(Vec::new());
    let mut writer = exif::experimental::Writer::new();
    writer.push_field(&field);
    let wanted = (2..=8).contains(&side) && writer.write(&mut written, true).is_ok();
    wanted.then(|| written.into_inner())
}

#[cfg(test)]
mod tests;
