//! The photos of `tests/data/photos` say where they were taken, by whom, and which side is up: only the last is kept.

use img_parts::jpeg::Jpeg;
use img_parts::png::{Png, PngChunk};
use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF, ImageICC as _};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib;
use proptest::prelude::*;

use super::{BadPhoto, PHOTO_BYTES_MAX, PhotoType, clean};
use crate::domain::icc::tests::{profile, talking};

const JPEG: &[u8] = include_bytes!("../../../../../tests/data/photos/photo.jpg");
const PNG: &[u8] = include_bytes!("../../../../../tests/data/photos/photo.png");
const WEBP: &[u8] = include_bytes!("../../../../../tests/data/photos/photo.webp");
const PLAIN_JPEG: &[u8] = include_bytes!("../../../../../tests/data/photos/plain.jpg");
const PLAIN_WEBP: &[u8] = include_bytes!("../../../../../tests/data/photos/plain.webp");

/// What a camera wrote into a photo, tag by tag.
fn written(photo_type: PhotoType, bytes: &[u8]) -> Vec<String> {
    let bytes = Bytes::copy_from_slice(bytes);
    let exif = match photo_type {
        PhotoType::Jpeg => Jpeg::from_bytes(bytes).expect("a JPEG").exif(),
        PhotoType::Png => Png::from_bytes(bytes).expect("a PNG").exif(),
        PhotoType::Webp => WebP::from_bytes(bytes).expect("a WebP").exif(),
    };
    let Some(exif) = exif else { return Vec::new() };
    let read = exif::Reader::new().read_raw(exif.to_vec()).expect("EXIF");
    read.fields().map(|field| format!("{} {}", field.tag, field.display_value())).collect()
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|part| part == words.as_bytes())
}

#[test]
fn a_photo_keeps_its_picture_and_which_side_is_up_and_tells_nothing_else() {
    for (bytes, photo_type) in [(JPEG, PhotoType::Jpeg), (PNG, PhotoType::Png), (WEBP, PhotoType::Webp)] {
        assert!(
            written(photo_type, bytes).iter().any(|tag| tag.starts_with("GPSLatitude")),
            "{photo_type:?}"
        );
        assert!(holds(bytes, "of Ana"));
        let photo = clean(bytes).expect("a photo");
        assert_eq!(photo.photo_type, photo_type);
        assert!(!holds(&photo.bytes, "of Ana") && !holds(&photo.bytes, "2026"), "{photo_type:?}");
        let kept = written(photo_type, &photo.bytes);
        assert_eq!(kept, ["Orientation row 0 at right and column 0 at top"], "{photo_type:?}");
        // Cleaned again, it is what it was.
        assert_eq!(clean(&photo.bytes), Ok(photo));
    }
    for bytes in [PLAIN_JPEG, PLAIN_WEBP] {
        assert_eq!(clean(bytes).expect("a photo").bytes, bytes, "nothing to take out, nothing changed");
    }
}

#[test]
fn the_picture_itself_is_not_touched() {
    let scan = |bytes: &[u8]| {
        let from = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
        bytes[from..].to_vec()
    };
    assert_eq!(scan(&clean(JPEG).expect("a photo").bytes), scan(JPEG));
    let pixels = |bytes: &[u8]| {
        let png = Png::from_bytes(Bytes::copy_from_slice(bytes)).expect("a PNG");
        png.chunks_by_type(*b"IDAT").map(|chunk| chunk.contents().clone()).collect::<Vec<_>>()
    };
    assert_eq!(pixels(&clean(PNG).expect("a photo").bytes), pixels(PNG));
    let frame = |bytes: &[u8]| {
        let webp = WebP::from_bytes(Bytes::copy_from_slice(bytes)).expect("a WebP");
        let picture = webp.chunk_by_id(*b"VP8 ").expect("a picture").content().data();
        picture.expect("bytes").clone()
    };
    assert_eq!(frame(&clean(WEBP).expect("a photo").bytes), frame(WEBP));
}

#[test]
fn what_is_hidden_behind_the_picture_goes() {
    let mut with_more = JPEG.to_vec();
    with_more.extend_from_slice(b"another picture of Ana");
    assert!(!holds(&clean(&with_more).expect("a photo").bytes, "of Ana"));
    let mut with_more = PNG.to_vec();
    with_more.extend_from_slice(b"another picture of Ana");
    assert!(!holds(&clean(&with_more).expect("a photo").bytes, "of Ana"));
}

#[test]
fn what_is_no_photo_is_refused_whatever_it_is_called() {
    for (bytes, expected) in [
        (&b""[..], BadPhoto::Unknown),
        (b"GIF89a", BadPhoto::Unknown),
        (b"<svg onload=\"alert(1)\"/>", BadPhoto::Unknown),
        (b"\xff\xd8\xff", BadPhoto::Damaged),
        (b"\xff\xd8\xff\xd9", BadPhoto::Damaged),
        (b"\x89PNG\r\n\x1a\n", BadPhoto::Damaged),
        (b"RIFF\x04\0\0\0WEBP", BadPhoto::Damaged),
        (&JPEG[..200], BadPhoto::Damaged),
        (&PNG[..PNG.len() - 20], BadPhoto::Damaged),
        (&WEBP[..60], BadPhoto::Damaged),
    ] {
        assert_eq!(clean(bytes), Err(expected), "{:?}", &bytes[..bytes.len().min(24)]);
    }
    assert_eq!(clean(&vec![0xff; PHOTO_BYTES_MAX + 1]), Err(BadPhoto::TooLarge));
}

/// A PNG of one pixel with these chunks before its picture.
fn png_with(chunks: &[(&[u8; 4], Vec<u8>)], width: u32, height: u32) -> Vec<u8> {
    let mut png = Png::from_bytes(Bytes::copy_from_slice(PNG)).expect("a PNG");
    let depth = png.chunks()[0].contents()[8..].to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &depth].concat();
    png.chunks_mut()[0] = PngChunk::new(*b"IHDR", header.into());
    for (kind, contents) in chunks.iter().rev() {
        png.chunks_mut().insert(1, PngChunk::new(**kind, contents.clone().into()));
    }
    png.encoder().bytes().to_vec()
}

fn packed(profile: &[u8]) -> Vec<u8> {
    [b"by Ana\0\0", &compress_to_vec_zlib(profile, 9)[..]].concat()
}

fn profiles(bytes: &[u8]) -> Vec<Vec<u8>> {
    let png = Png::from_bytes(Bytes::copy_from_slice(bytes)).expect("a PNG");
    let unpacked = |chunk: &PngChunk| decompress_to_vec_zlib(&chunk.contents()[5..]).expect("packed");
    png.chunks_by_type(*b"iCCP").map(unpacked).collect()
}

/// The beginning of a lossy picture in a WebP (RFC 6386, 9.1): a key frame of that size.
fn key_frame(width: u16, height: u16) -> Vec<u8> {
    [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0, 0]].concat()
}

#[test]
fn a_picture_has_no_more_pixels_than_can_be_shown() {
    let jpeg = |width: u16, height: u16| {
        let mut bytes = PLAIN_JPEG.to_vec();
        let at = bytes
            .windows(2)
            .position(|pair| pair[0] == 0xff && (0xc0..=0xc2).contains(&pair[1]))
            .expect("a frame");
        bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
        bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
        bytes
    };
    let webp = |width: u16, height: u16| {
        let picture = key_frame(width, height);
        let length = |bytes: usize| u32::try_from(bytes).expect("short").to_le_bytes();
        let contents = [b"WEBPVP8 ", &length(picture.len())[..], &picture].concat();
        [b"RIFF", &length(contents.len())[..], &contents].concat()
    };
    for bytes in [png_with(&[], 7_000, 7_000), jpeg(7_000, 7_000), webp(7_000, 7_000), jpeg(16_384, 3_000)] {
        assert!(clean(&bytes).is_ok());
    }
    for bytes in [
        png_with(&[], 60_000, 60_000),
        png_with(&[], 16_385, 1),
        jpeg(65_535, 65_535),
        jpeg(16_385, 1),
        webp(16_383, 16_383),
        moving(&[(5_000, 5_000), (5_000, 5_001)]),
    ] {
        assert_eq!(clean(&bytes), Err(BadPhoto::TooManyPixels));
    }
    for bytes in [png_with(&[], 0, 5), jpeg(5, 0), webp(0, 5), png_with(&[(b"IHDR", vec![0; 13])], 1, 1)] {
        assert_eq!(clean(&bytes), Err(BadPhoto::Damaged));
    }
    assert!(clean(&moving(&[(5_000, 5_000), (5_000, 5_000)])).is_ok());
}

#[test]
fn colour_profiles_keep_their_figures_and_neither_text_nor_weight() {
    let good = packed(&talking());
    let bomb = packed(&profile(&[(b"rXYZ", &[b"XYZ ", &vec![0; 100 << 20][..]].concat())]));
    assert!(bomb.len() > 64 << 10, "it has to be left out for its weight");
    let light = packed(&profile(&[(b"rXYZ", &[b"XYZ ", &vec![0; 4 << 20][..]].concat())]));
    assert!(light.len() < 64 << 10, "it has to be left out for what it unpacks to");
    let kept = clean(&png_with(&[(b"iCCP", good.clone())], 1, 1)).expect("a photo");
    assert!(!holds(&kept.bytes, "Ana"));
    let [figures] = &profiles(&kept.bytes)[..] else { panic!("one profile") };
    assert!(holds(figures, "red primary!") && !holds(figures, "Ana"));
    assert_eq!(clean(&kept.bytes), Ok(kept));
    for heavy in [bomb, light, packed(b"of Ana"), b"by Ana\0\0of Ana".to_vec(), b"by Ana".to_vec()] {
        let many: Vec<(&[u8; 4], Vec<u8>)> = std::iter::repeat_n((b"iCCP", heavy), 2).collect();
        let photo = clean(&png_with(&many, 1, 1)).expect("a photo");
        assert!(profiles(&photo.bytes).is_empty() && !holds(&photo.bytes, "of Ana"));
    }
    // The first of several is the one that counts.
    let two = clean(&png_with(&[(b"iCCP", good.clone()), (b"iCCP", good)], 1, 1)).expect("a photo");
    assert_eq!(profiles(&two.bytes).len(), 1);
}

#[test]
fn profiles_of_jpeg_and_webp_keep_their_figures_and_no_text() {
    let part = |number: u8, of: u8, bytes: &[u8]| {
        let contents = [b"ICC_PROFILE\0", &[number, of][..], bytes].concat();
        let length = u16::try_from(contents.len() + 2).expect("short").to_be_bytes();
        [&[0xff, 0xe2][..], &length, &contents].concat()
    };
    let profile = talking();
    let (head, tail) = profile.split_at(100);
    for (parts, kept) in [
        (vec![part(1, 1, &profile)], true),
        (vec![part(2, 2, tail), part(1, 2, head)], true),
        (vec![part(1, 2, head)], false),
        (vec![part(1, 2, head), part(1, 2, tail)], false),
        (vec![part(1, 1, b"of Ana")], false),
    ] {
        let bytes = [&PLAIN_JPEG[..2], &parts.concat(), &PLAIN_JPEG[2..]].concat();
        let photo = clean(&bytes).expect("a photo");
        assert!(!holds(&photo.bytes, "Ana"));
        assert_eq!((holds(&photo.bytes, "red primary!"), photo.bytes.len() > PLAIN_JPEG.len()), (kept, kept));
        assert_eq!(clean(&photo.bytes), Ok(photo));
    }
    let mut webp = WebP::from_bytes(Bytes::copy_from_slice(WEBP)).expect("a WebP");
    for (profile, kept) in [(talking(), true), (b"of Ana".to_vec(), false), (vec![b'A'; 2 << 20], false)] {
        webp.set_icc_profile(Some(profile.into()));
        let photo = clean(&webp.clone().encoder().bytes()).expect("a photo");
        assert!(!holds(&photo.bytes, "Ana") && photo.bytes.len() < 1 << 20);
        assert_eq!(holds(&photo.bytes, "red primary!"), kept);
    }
}

/// A WebP that moves: frames of these sizes, each with words of its own beside its picture.
fn moving(frames: &[(u32, u32)]) -> Vec<u8> {
    let mut webp = WebP::from_bytes(Bytes::copy_from_slice(PLAIN_WEBP)).expect("a WebP");
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    let chunk = |id: &[u8; 4], contents: &[u8]| {
        let length = u32::try_from(contents.len()).expect("short").to_le_bytes();
        let mut bytes = [&id[..], &length, contents].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let data = |id: &[u8; 4], contents: Vec<u8>| RiffChunk::new(*id, RiffContent::Data(contents.into()));
    let canvas = [vec![0b10, 0, 0, 0], side(7_000), side(7_000)].concat();
    let mut chunks = vec![data(b"VP8X", canvas), data(b"ANIM", vec![0; 6])];
    for (width, height) in frames {
        let short = |side: u32| u16::try_from(side).expect("short");
        let picture = key_frame(short(*width), short(*height));
        let head = [vec![0; 6], side(*width), side(*height), vec![100, 0, 0, 0]].concat();
        chunks.push(data(b"ANMF", [head, chunk(b"VP8 ", &picture), chunk(b"XXXX", b"of Ana")].concat()));
    }
    *webp.chunks_mut() = chunks;
    webp.encoder().bytes().to_vec()
}

#[test]
fn frames_hold_their_picture_and_no_words() {
    let bytes = moving(&[(10, 10), (20, 10)]);
    assert!(holds(&bytes, "of Ana"));
    let photo = clean(&bytes).expect("a photo");
    assert!(!holds(&photo.bytes, "of Ana"));
    assert_eq!(photo.bytes.windows(4).filter(|part| part == b"VP8 ").count(), 2);
    assert_eq!(clean(&photo.bytes), Ok(photo));
}

#[test]
fn what_follows_in_the_header_of_a_jpeg_goes() {
    // A smaller copy of the picture may follow in the first segment, and a picture may be told in scans without end.
    let jfif = [&[0xff, 0xe0, 0, 22][..], b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x02of Ana"].concat();
    let rest = if PLAIN_JPEG[3] == 0xe0 { 4 + usize::from(PLAIN_JPEG[5]) } else { 2 };
    let photo = clean(&[&PLAIN_JPEG[..2], &jfif, &PLAIN_JPEG[rest..]].concat()).expect("a photo");
    assert!(!holds(&photo.bytes, "of Ana") && holds(&photo.bytes, "JFIF"));
    let scan = PLAIN_JPEG.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    let (head, end) = (&PLAIN_JPEG[..scan], &PLAIN_JPEG[PLAIN_JPEG.len() - 2..]);
    let scans = PLAIN_JPEG[scan..scan + 14].to_vec().repeat(101);
    assert_eq!(clean(&[head, &scans, end].concat()), Err(BadPhoto::Damaged));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn bent_photos_are_cleaned_or_refused(
        which in 0_usize..5,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = [JPEG, PNG, WEBP, PLAIN_JPEG, PLAIN_WEBP][which].to_vec();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(photo) = clean(&bytes) {
            prop_assert_eq!(PhotoType::of(&photo.bytes), Some(photo.photo_type));
        }
    }
}
