//! A WebP's chunks (RFC 9649), copied one by one as far as they make the picture.

use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF as _};

use super::clean::{BadPhoto, turn};
use super::{icc, pixels};

/// Chunks that are kept: the picture, its transparency, movement and colours.
const KEPT: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
/// Chunks that are kept within a frame.
const KEPT_IN_FRAMES: [&[u8; 4]; 3] = [b"VP8 ", b"VP8L", b"ALPH"];
/// What a frame begins with: where it goes, how large it is, for how long, and how.
const FRAME_HEADER_BYTES: usize = 16;

pub(super) fn clean(bytes: Bytes) -> Result<Bytes, BadPhoto> {
    let mut webp = WebP::from_bytes(bytes).map_err(|_| BadPhoto::Damaged)?;
    if !webp.chunks().iter().any(|chunk| [*b"VP8 ", *b"VP8L", *b"ANMF"].contains(&chunk.id())) {
        return Err(BadPhoto::Damaged);
    }
    let turn = turn(webp.exif().map(Into::into)).map(Bytes::from);
    let mut kept: Vec<RiffChunk> = Vec::new();
    let mut frames = Vec::new();
    for chunk in webp.chunks() {
        let Some(contents) = chunk.content().data().filter(|_| KEPT.contains(&&chunk.id())) else { continue };
        let contents = match &chunk.id() {
            b"ICCP" if kept.iter().any(|other| other.id() == *b"ICCP") => continue,
            b"ICCP" => match icc::rebuild(contents) {
                Some(profile) => Bytes::from(profile),
                None => continue,
            },
            b"ANMF" => frame(contents).ok_or(BadPhoto::Damaged)?,
            _ => contents.clone(),
        };
        match &chunk.id() {
            b"VP8X" => {
                let (width, height) = side_pair(&contents, 4).ok_or(BadPhoto::Damaged)?;
                pixels::count(width, height)?;
            }
            id => frames.extend(picture_size(*id, &contents)?),
        }
        kept.push(RiffChunk::new(chunk.id(), RiffContent::Data(contents)));
    }
    pixels::sum(frames)?;
    *webp.chunks_mut() = kept;
    // This puts the flags of what is there right, too.
    webp.set_exif(turn);
    Ok(webp.encoder().bytes())
}

/// Width and height of a chunk that holds a picture; none for one that holds something else.
fn picture_size(id: [u8; 4], contents: &[u8]) -> Result<Option<(u32, u32)>, BadPhoto> {
    let size = match &id {
        b"VP8 " => lossy_size(contents),
        b"VP8L" => lossless_size(contents),
        b"ANMF" => side_pair(contents, 6),
        _ => return Ok(None),
    };
    size.map(Some).ok_or(BadPhoto::Damaged)
}

/// Of a key frame (RFC 6386, 9.1).
fn lossy_size(contents: &[u8]) -> Option<(u32, u32)> {
    let (start, size) = contents.get(3..10)?.split_at(3);
    if start != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let side = |bytes: &[u8]| Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?) & 0x3fff));
    Some((side(size)?, side(&size[2..])?))
}

/// Of a lossless picture (RFC 9649, 3.4).
fn lossless_size(contents: &[u8]) -> Option<(u32, u32)> {
    let bits = u32::from_le_bytes(*contents.strip_prefix(&[0x2f])?.first_chunk()?);
    Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
}

/// Two sides of 24 bits, less one, from a place on.
fn side_pair(contents: &[u8], at: usize) -> Option<(u32, u32)> {
    let side = |at: usize| {
        let [a, b, c] = *contents.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes([a, b, c, 0]) + 1)
    };
    Some((side(at)?, side(at + 3)?))
}

/// A frame with nothing in it but its picture.
fn frame(contents: &[u8]) -> Option<Bytes> {
    let (header, mut rest) = contents.split_at_checked(FRAME_HEADER_BYTES)?;
    let size = side_pair(header, 6)?;
    let mut kept = header.to_vec();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let (id, length) = head.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length.first_chunk()?)).ok()?;
        let padded = length.checked_next_multiple_of(2)?.min(after.len());
        let contents = after.get(..length)?;
        if KEPT_IN_FRAMES.contains(&id) {
            // A picture that is larger than its frame says would be counted too small.
            let fits = picture_size(*id, contents).ok()?.is_none_or(|picture| picture == size);
            if !fits {
                return None;
            }
            kept.extend_from_slice(head);
            kept.extend_from_slice(contents);
            kept.resize(kept.len().next_multiple_of(2), 0);
        }
        rest = &after[padded..];
    }
    Some(kept.into())
}
