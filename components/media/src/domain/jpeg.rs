//! A JPEG's segments (ITU-T T.81, annex B), copied one by one as far as they make the picture.

use super::clean::BadPhoto;
use super::{icc, pixels};

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const EXIF: u8 = 0xe1;
const EXIF_BEGIN: &[u8] = b"Exif\0\0";
/// Segments that make the picture: frames and their tables, scans, and what scans are restarted by.
const PICTURE: [std::ops::RangeInclusive<u8>; 2] = [0xc0..=0xcf, 0xda..=0xdd];
/// Segments that are kept beside them, for size and colours: their marker, how they must begin, and the bytes that they
/// have. More would be a smaller copy of the picture, or words.
const BESIDE: [(u8, &[u8], usize); 2] = [(0xe0, b"JFIF\0", 14), (0xee, b"Adobe", 12)];
/// Frames that are in use: baseline, extended and progressive.
const FRAMES: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;
/// What is among the frames' markers and is none: tables, and one that is reserved.
const NO_FRAMES: [u8; 3] = [0xc4, 0xc8, 0xcc];
/// Scans of a picture: each goes over all of it.
const SCANS_MAX: u32 = 100;
/// A part of a colour profile: its marker, and how it begins, before its number and how many there are.
const PROFILE: u8 = 0xe2;
const PROFILE_BEGIN: &[u8] = b"ICC_PROFILE\0";
/// Bytes of a profile in one part.
const PROFILE_PART_BYTES: usize = 65_519;

/// A JPEG in parts.
#[derive(Debug, Default)]
pub(super) struct Jpeg {
    /// The segments that make the picture, scans with what follows them, up to its end.
    picture: Vec<u8>,
    /// Where in it the segment that a camera writes is to go: after the one that must be first.
    seam: usize,
    /// What a camera wrote, as TIFF.
    pub exif: Option<Vec<u8>>,
    /// The parts of the colour profile, by their number, and how many each says there are.
    profile: Vec<(u8, u8, Vec<u8>)>,
}

impl Jpeg {
    /// Reads a JPEG. What follows its end is not read.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadPhoto> {
        let mut rest = bytes.strip_prefix(&[0xff, START]).ok_or(BadPhoto::Damaged)?;
        let mut jpeg = Self::default();
        let (mut frames, mut scans) = (0, 0);
        loop {
            let marker = next_marker(&mut rest)?;
            if marker == END {
                break;
            }
            let contents = contents(&mut rest)?;
            if marker == EXIF && jpeg.exif.is_none() {
                jpeg.exif = contents.strip_prefix(EXIF_BEGIN).map(<[u8]>::to_vec);
            }
            if let Some([number, of, part @ ..]) =
                contents.strip_prefix(PROFILE_BEGIN).filter(|_| marker == PROFILE)
            {
                jpeg.profile.push((*number, *of, part.to_vec()));
            }
            let beside =
                BESIDE.iter().find(|(kind, begin, _)| marker == *kind && contents.starts_with(begin));
            if let Some((_, _, length)) = beside {
                push(&mut jpeg.picture, marker, &beginning(marker, contents, *length)?)?;
            } else if PICTURE.iter().any(|markers| markers.contains(&marker)) {
                push(&mut jpeg.picture, marker, contents)?;
            }
            if marker == BESIDE[0].0 && scans + frames == 0 {
                jpeg.seam = jpeg.picture.len();
            }
            if is_frame(marker) {
                frames += 1;
                check_frame(marker, contents)?;
            }
            if marker == SCAN {
                scans += 1;
                jpeg.picture.extend_from_slice(entropy(&mut rest)?);
            }
        }
        if frames == 1 && (1..=SCANS_MAX).contains(&scans) { Ok(jpeg) } else { Err(BadPhoto::Damaged) }
    }

    /// The colour profile without what it tells; none where it is none, or too large.
    fn profile(&self) -> Option<Vec<u8>> {
        let mut parts: Vec<_> = self.profile.iter().collect();
        parts.sort_by_key(|(number, ..)| *number);
        let count = parts.len();
        let in_order = parts
            .iter()
            .zip(1_usize..)
            .all(|((number, of, _), expected)| usize::from(*number) == expected && usize::from(*of) == count);
        let bytes: usize = parts.iter().map(|(.., part)| part.len()).sum();
        if !in_order || bytes > icc::PROFILE_BYTES_MAX {
            return None;
        }
        icc::rebuild(&parts.iter().flat_map(|(.., part)| part.iter().copied()).collect::<Vec<u8>>())
    }

    /// The picture, with that much of what a camera writes.
    pub(super) fn write(&self, exif: Option<&[u8]>) -> Result<Vec<u8>, BadPhoto> {
        let mut bytes = vec![0xff, START];
        bytes.extend_from_slice(&self.picture[..self.seam]);
        if let Some(exif) = exif {
            push(&mut bytes, EXIF, &[EXIF_BEGIN, exif].concat())?;
        }
        if let Some(profile) = self.profile() {
            let parts = profile.chunks(PROFILE_PART_BYTES);
            let count = u8::try_from(parts.len()).map_err(|_| BadPhoto::Damaged)?;
            for (part, number) in parts.zip(1_u8..) {
                push(&mut bytes, PROFILE, &[PROFILE_BEGIN, &[number, count], part].concat())?;
            }
        }
        bytes.extend_from_slice(&self.picture[self.seam..]);
        bytes.extend_from_slice(&[0xff, END]);
        Ok(bytes)
    }
}

fn is_frame(marker: u8) -> bool {
    (0xc0..=0xcf).contains(&marker) && !NO_FRAMES.contains(&marker)
}

/// That a frame is one that is in use, and of a size that may be.
fn check_frame(marker: u8, contents: &[u8]) -> Result<(), BadPhoto> {
    let [_, h0, h1, w0, w1, ..] = contents else { return Err(BadPhoto::Damaged) };
    if !FRAMES.contains(&marker) {
        return Err(BadPhoto::Damaged);
    }
    pixels::count(u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into())?;
    Ok(())
}

/// So many bytes of a segment; of a JFIF one, which may end with a smaller copy of the picture, without that.
fn beginning(marker: u8, contents: &[u8], length: usize) -> Result<Vec<u8>, BadPhoto> {
    let mut beginning = contents.get(..length).ok_or(BadPhoto::Damaged)?.to_vec();
    if marker == BESIDE[0].0 {
        beginning[12..14].fill(0);
    }
    Ok(beginning)
}

fn push(bytes: &mut Vec<u8>, marker: u8, contents: &[u8]) -> Result<(), BadPhoto> {
    let length = u16::try_from(contents.len() + 2).map_err(|_| BadPhoto::Damaged)?;
    bytes.extend_from_slice(&[0xff, marker]);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(contents);
    Ok(())
}

/// The next marker, which any number of bytes 0xff may precede.
fn next_marker(rest: &mut &[u8]) -> Result<u8, BadPhoto> {
    let [0xff, after @ ..] = rest else { return Err(BadPhoto::Damaged) };
    let fill = after.iter().take_while(|byte| **byte == 0xff).count();
    let (marker, after) = after[fill..].split_first().ok_or(BadPhoto::Damaged)?;
    *rest = after;
    Ok(*marker)
}

/// The contents of a segment, whose length they begin with.
fn contents<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BadPhoto> {
    let (length, after) = rest.split_first_chunk().ok_or(BadPhoto::Damaged)?;
    let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2).ok_or(BadPhoto::Damaged)?;
    let (contents, after) = after.split_at_checked(length).ok_or(BadPhoto::Damaged)?;
    *rest = after;
    Ok(contents)
}

/// The coded data of a scan: up to the next marker that is none of its own.
fn entropy<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BadPhoto> {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    let length = rest.windows(2).position(ends).ok_or(BadPhoto::Damaged)?;
    let (entropy, after) = rest.split_at(length);
    *rest = after;
    Ok(entropy)
}
