//! A PNG's chunks (W3C, third edition), copied one by one as far as they make the picture.

use img_parts::png::{Png, PngChunk};
use img_parts::{Bytes, ImageEXIF as _};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::clean::{BadPhoto, turn};
use super::icc::{self, PROFILE_BYTES_MAX};
use super::pixels;

/// Chunks that are kept: the picture and its colours.
const KEPT: [&[u8; 4]; 11] =
    [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"];
/// A colour profile as it is packed; a longer one is left out.
const PACKED_BYTES_MAX: usize = 64 << 10;
/// What every profile is called here.
const PROFILE_NAME: &[u8] = b"icc\0";
/// How profiles are packed: the only way there is.
const DEFLATE: u8 = 0;
/// How hard they are packed.
const LEVEL: u8 = 6;

pub(super) fn clean(bytes: Bytes) -> Result<Bytes, BadPhoto> {
    let mut png = Png::from_bytes(bytes).map_err(|_| BadPhoto::Damaged)?;
    let kinds: Vec<[u8; 4]> = png.chunks().iter().map(PngChunk::kind).collect();
    let headers = kinds.iter().filter(|kind| *kind == b"IHDR").count();
    let whole = kinds.first() == Some(b"IHDR") && kinds.last() == Some(b"IEND") && kinds.contains(b"IDAT");
    if !whole || headers != 1 {
        return Err(BadPhoto::Damaged);
    }
    let (width, height) = size(png.chunks()[0].contents()).ok_or(BadPhoto::Damaged)?;
    pixels::count(width, height)?;
    let profile = png.chunk_by_type(*b"iCCP").and_then(|chunk| profile(chunk.contents()));
    let turn = turn(png.exif().map(Into::into)).map(Bytes::from);
    png.chunks_mut().retain(|chunk| KEPT.contains(&&chunk.kind()));
    if let Some(profile) = profile {
        // Before the palette and the picture, as it must be.
        png.chunks_mut().insert(1, PngChunk::new(*b"iCCP", profile));
    }
    png.set_exif(turn);
    Ok(png.encoder().bytes())
}

/// Width and height.
fn size(header: &[u8]) -> Option<(u32, u32)> {
    let (width, rest) = header.split_first_chunk()?;
    let height = rest.first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

/// A colour profile without what it tells; none where it is none, or too large.
fn profile(contents: &[u8]) -> Option<Bytes> {
    let name = contents.iter().take(80).position(|byte| *byte == 0)?;
    let (method, packed) = contents[name + 1..].split_first()?;
    if *method != DEFLATE || packed.len() > PACKED_BYTES_MAX {
        return None;
    }
    let profile = decompress_to_vec_zlib_with_limit(packed, PROFILE_BYTES_MAX).ok()?;
    let packed = compress_to_vec_zlib(&icc::rebuild(&profile)?, LEVEL);
    Some([PROFILE_NAME, &[DEFLATE], &packed].concat().into())
}
