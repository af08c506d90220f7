//! Photos without what they tell besides the picture.
//!
//! Cameras write down where and with what a picture was taken, programs who changed it and a smaller copy of what it was
//! before. What is kept is listed, not what is removed: the picture, its colours, and which side is up. Formats: JPEG
//! (ITU-T T.81), PNG (W3C, third edition), WebP (RFC 9649), EXIF 2.32.

use std::io::Cursor;

use img_parts::png::Png;
use img_parts::riff::RiffContent;
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};

use super::jpeg::Jpeg;

/// Bytes of a photo.
pub const PHOTO_BYTES_MAX: usize = 8 << 20;

/// Chunks of a PNG that are kept: the picture and its colours.
const PNG_KEPT: [&[u8; 4]; 12] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD",
    b"pHYs",
];
/// Chunks of a WebP that are kept: the picture, its transparency, movement and colours.
const WEBP_KEPT: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];

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
        PhotoType::Png => clean_png(Bytes::copy_from_slice(bytes))?.to_vec(),
        PhotoType::Webp => clean_webp(Bytes::copy_from_slice(bytes))?.to_vec(),
    };
    Ok(Photo { photo_type, bytes: cleaned })
}

fn clean_jpeg(bytes: &[u8]) -> Result<Vec<u8>, BadPhoto> {
    let jpeg = Jpeg::read(bytes)?;
    jpeg.write(turn(jpeg.exif.clone()).as_deref())
}

fn clean_png(bytes: Bytes) -> Result<Bytes, BadPhoto> {
    let mut png = Png::from_bytes(bytes).map_err(|_| BadPhoto::Damaged)?;
    let kinds: Vec<[u8; 4]> = png.chunks().iter().map(img_parts::png::PngChunk::kind).collect();
    if kinds.first() != Some(b"IHDR") || kinds.last() != Some(b"IEND") || !kinds.contains(b"IDAT") {
        return Err(BadPhoto::Damaged);
    }
    let turn = turn(png.exif().map(Into::into)).map(Bytes::from);
    png.chunks_mut().retain(|chunk| PNG_KEPT.contains(&&chunk.kind()));
    png.set_exif(turn);
    Ok(png.encoder().bytes())
}

fn clean_webp(bytes: Bytes) -> Result<Bytes, BadPhoto> {
    let mut webp = WebP::from_bytes(bytes).map_err(|_| BadPhoto::Damaged)?;
    let picture = [*b"VP8 ", *b"VP8L", *b"ANMF"];
    if !picture.iter().any(|id| webp.has_chunk(*id)) {
        return Err(BadPhoto::Damaged);
    }
    let turn = turn(webp.exif().map(Into::into)).map(Bytes::from);
    webp.chunks_mut().retain(|chunk| {
        WEBP_KEPT.contains(&&chunk.id())
            && matches!(chunk.content(), RiffContent::Data(_) | RiffContent::List { .. })
    });
    webp.set_exif(turn);
    Ok(webp.encoder().bytes())
}

/// The little that is kept of what the camera wrote: which side is up, where that is not the first row.
fn turn(exif: Option<Vec<u8>>) -> Option<Vec<u8>> {
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
