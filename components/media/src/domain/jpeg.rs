//! A JPEG's segments (ITU-T T.81, annex B), copied one by one as far as they make the picture.

use super::clean::BadPhoto;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const EXIF: u8 = 0xe1;
const EXIF_BEGIN: &[u8] = b"Exif\0\0";
/// Segments that make the picture: frames and their tables, scans, and what scans are restarted by.
const PICTURE: [std::ops::RangeInclusive<u8>; 2] = [0xc0..=0xcf, 0xda..=0xdd];
/// Segments that are kept beside them, for size and colours: their marker, and how they must begin.
const BESIDE: [(u8, &[u8]); 3] = [(0xe0, b"JFIF\0"), (0xe2, b"ICC_PROFILE\0"), (0xee, b"Adobe")];
/// Frames that are in use: baseline, extended and progressive.
const FRAMES: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;

/// A JPEG in parts.
#[derive(Debug, Default)]
pub(super) struct Jpeg {
    /// The segments that make the picture, scans with what follows them, up to its end.
    picture: Vec<u8>,
    /// Where in it the segment that a camera writes is to go: after the one that must be first.
    seam: usize,
    /// What a camera wrote, as TIFF.
    pub exif: Option<Vec<u8>>,
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
            let beside = BESIDE.iter().any(|(kind, begin)| marker == *kind && contents.starts_with(begin));
            if beside || PICTURE.iter().any(|markers| markers.contains(&marker)) {
                push(&mut jpeg.picture, marker, contents)?;
            }
            if marker == BESIDE[0].0 && scans + frames == 0 {
                jpeg.seam = jpeg.picture.len();
            }
            frames += u32::from(FRAMES.contains(&marker));
            if marker == SCAN {
                scans += 1;
                jpeg.picture.extend_from_slice(entropy(&mut rest)?);
            }
        }
        if frames > 0 && scans > 0 { Ok(jpeg) } else { Err(BadPhoto::Damaged) }
    }

    /// The picture, with that much of what a camera writes.
    pub(super) fn write(&self, exif: Option<&[u8]>) -> Result<Vec<u8>, BadPhoto> {
        let mut bytes = vec![0xff, START];
        bytes.extend_from_slice(&self.picture[..self.seam]);
        if let Some(exif) = exif {
            push(&mut bytes, EXIF, &[EXIF_BEGIN, exif].concat())?;
        }
        bytes.extend_from_slice(&self.picture[self.seam..]);
        bytes.extend_from_slice(&[0xff, END]);
        Ok(bytes)
    }
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
