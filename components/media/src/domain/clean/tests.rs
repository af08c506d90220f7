//! The photos of `tests/data/photos` say where they were taken, by whom, and which side is up: only the last is kept.

use img_parts::jpeg::Jpeg;
use img_parts::png::Png;
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};
use proptest::prelude::*;

use super::{BadPhoto, PHOTO_BYTES_MAX, PhotoType, clean};

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
