//! Colour profiles (ICC.1:2022), rebuilt of what colours are worked out with.
//!
//! A profile may hold text: descriptions, copyrights, dictionaries, and tags of anybody's own. What is kept is listed, not what is
//! removed: the tags that a display or a camera is described by, in the types that hold figures.

/// Bytes of a profile; larger ones are left out.
pub(super) const PROFILE_BYTES_MAX: usize = 1 << 20;

const HEADER_BYTES: usize = 128;
/// A tag in the table: its name, where it is, how long.
const ENTRY_BYTES: usize = 12;
/// Tags of one profile.
const TAGS_MAX: usize = 100;
/// Tags that are kept: primaries, curves, white and black, tables from and to the device, and what adapts them.
const KEPT: [&[u8; 4]; 22] = [
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"lumi", b"chad",
    b"chrm", b"cicp", b"gamt", b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"B2D0",
];
/// Types of figures.
const FIGURES: [&[u8; 4]; 10] =
    [b"XYZ ", b"curv", b"para", b"sf32", b"chrm", b"cicp", b"mft1", b"mft2", b"mAB ", b"mBA "];
/// Fields of the header that are kept, by their place: size to connection space, signature, platform to flags, and intent to
/// illuminant. Who made it, when, for which device and under which name is not.
const HEADER_KEPT: [std::ops::Range<usize>; 3] = [8..24, 36..40, 64..80];

/// The profile with nothing but figures; none where it is no profile, or too large.
pub(super) fn rebuild(profile: &[u8]) -> Option<Vec<u8>> {
    if profile.len() > PROFILE_BYTES_MAX || profile.get(36..40)? != b"acsp" {
        return None;
    }
    let mut header = vec![0; HEADER_BYTES];
    for kept in HEADER_KEPT {
        header[kept.clone()].copy_from_slice(profile.get(kept)?);
    }
    let tags = tags(profile)?;
    if tags.is_empty() {
        return None;
    }
    let mut table = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    let data_at = HEADER_BYTES + 4 + ENTRY_BYTES * tags.len();
    // Tags may share what they say, such as three channels one curve.
    let mut written: Vec<(&[u8], usize)> = Vec::new();
    for (name, contents) in tags {
        let known = written.iter().find(|(other, _)| *other == contents).map(|(_, at)| *at);
        let at = known.unwrap_or_else(|| {
            let at = data_at + data.len();
            data.extend_from_slice(contents);
            data.resize(data.len().next_multiple_of(4), 0);
            written.push((contents, at));
            at
        });
        table.extend_from_slice(&name);
        table.extend_from_slice(&u32::try_from(at).ok()?.to_be_bytes());
        table.extend_from_slice(&u32::try_from(contents.len()).ok()?.to_be_bytes());
    }
    let count = u32::try_from(table.len() / ENTRY_BYTES).ok()?;
    let rebuilt = [header, count.to_be_bytes().to_vec(), table, data].concat();
    with_size(rebuilt).filter(|rebuilt| rebuilt.len() <= PROFILE_BYTES_MAX)
}

fn with_size(mut profile: Vec<u8>) -> Option<Vec<u8>> {
    let size = u32::try_from(profile.len()).ok()?;
    profile.get_mut(..4)?.copy_from_slice(&size.to_be_bytes());
    Some(profile)
}

/// The tags that are kept, with what they say.
fn tags(profile: &[u8]) -> Option<Vec<([u8; 4], &[u8])>> {
    let word = |at: usize| Some(u32::from_be_bytes(*profile.get(at..)?.first_chunk()?) as usize);
    let count = word(HEADER_BYTES)?;
    if count > TAGS_MAX {
        return None;
    }
    let mut found: Vec<([u8; 4], &[u8])> = Vec::new();
    for entry in (0..count).map(|index| HEADER_BYTES + 4 + index * ENTRY_BYTES) {
        let name: [u8; 4] = *profile.get(entry..)?.first_chunk()?;
        let (at, length) = (word(entry + 4)?, word(entry + 8)?);
        let contents = profile.get(at..at.checked_add(length)?)?;
        let figures = contents.first_chunk().is_some_and(|kind| FIGURES.contains(&kind));
        let again = found.iter().any(|(known, _)| *known == name);
        if KEPT.contains(&&name) && figures && !again {
            found.push((name, contents));
        }
    }
    Some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::{HEADER_BYTES, PROFILE_BYTES_MAX, rebuild};

    /// A profile of these tags, made by hand.
    pub(in crate::domain) fn profile(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xee; HEADER_BYTES];
        bytes[36..40].copy_from_slice(b"acsp");
        bytes.extend_from_slice(&u32::try_from(tags.len()).expect("few").to_be_bytes());
        let mut at = HEADER_BYTES + 4 + 12 * tags.len();
        for (name, contents) in tags {
            bytes.extend_from_slice(*name);
            for figure in [at, contents.len()] {
                bytes.extend_from_slice(&u32::try_from(figure).expect("small").to_be_bytes());
            }
            at += contents.len();
        }
        tags.iter().for_each(|(_, contents)| bytes.extend_from_slice(contents));
        let size = u32::try_from(bytes.len()).expect("small").to_be_bytes();
        bytes[..4].copy_from_slice(&size);
        bytes
    }

    /// Colours beside words in every place that has room for them.
    pub(in crate::domain) fn talking() -> Vec<u8> {
        profile(&[
            (b"desc", b"desc\0\0\0\0by Ana, Rua A 1"),
            (b"cprt", b"text\0\0\0\0of Ana"),
            (b"rXYZ", b"XYZ \0\0\0\0red primary!"),
            (b"rTRC", b"curv\0\0\0\0\0\0\0\x01\x02\x33"),
            (b"gTRC", b"curv\0\0\0\0\0\0\0\x01\x02\x33"),
            (b"wtpt", b"text\0\0\0\0of Ana as white point"),
            (b"anas", b"XYZ \0\0\0\0of Ana in a tag of her own"),
        ])
    }

    fn holds(bytes: &[u8], words: &str) -> bool {
        bytes.windows(words.len()).any(|part| part == words.as_bytes())
    }

    #[test]
    fn a_profile_keeps_its_figures_and_no_text() {
        let rebuilt = rebuild(&talking()).expect("a profile");
        assert!(!holds(&rebuilt, "Ana"));
        assert!(holds(&rebuilt, "red primary!") && holds(&rebuilt, "rTRC") && holds(&rebuilt, "gTRC"));
        assert_eq!(rebuilt.windows(4).filter(|part| part == b"curv").count(), 1, "one curve is shared");
        assert_eq!(u32::from_be_bytes(*rebuilt.first_chunk().expect("a size")) as usize, rebuilt.len());
        assert_eq!(rebuilt[80..128], [0; 48], "nobody's name in the header");
        assert_eq!(rebuild(&rebuilt), Some(rebuilt));
    }

    #[test]
    fn what_is_no_profile_is_left_out() {
        let good = talking();
        let with = |at: usize, bytes: &[u8]| {
            let mut bent = good.clone();
            bent[at..at + bytes.len()].copy_from_slice(bytes);
            bent
        };
        for bad in [
            Vec::new(),
            good[..120].to_vec(),
            with(36, b"ascp"),
            with(128, &[0xff; 4]),
            with(136, &[0xff; 4]),
            with(140, &[0xff; 4]),
            profile(&[(b"desc", b"desc\0\0\0\0words only")]),
            vec![0; PROFILE_BYTES_MAX + 1],
        ] {
            assert_eq!(rebuild(&bad), None, "{:?}", &bad[..bad.len().min(8)]);
        }
    }
}
