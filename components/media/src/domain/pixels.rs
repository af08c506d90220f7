//! How large a picture says it is: whoever shows it makes room for every pixel of that, however few bytes tell them.

use super::clean::BadPhoto;

/// Pixels of a picture, and of all frames of one that moves.
pub const PIXELS_MAX: u64 = 50_000_000;
/// Pixels along one side.
pub const SIDE_MAX: u32 = 16_384;

/// The pixels of a picture, or of a frame of one.
///
/// # Errors
/// When it has none, or too many.
pub(super) fn count(width: u32, height: u32) -> Result<u64, BadPhoto> {
    if width == 0 || height == 0 {
        return Err(BadPhoto::Damaged);
    }
    within(u64::from(width) * u64::from(height), width.max(height))
}

fn within(pixels: u64, side: u32) -> Result<u64, BadPhoto> {
    if pixels > PIXELS_MAX || side > SIDE_MAX { Err(BadPhoto::TooManyPixels) } else { Ok(pixels) }
}

/// The pixels of all frames together.
///
/// # Errors
/// When one has none, or they have too many.
pub(super) fn sum(frames: impl IntoIterator<Item = (u32, u32)>) -> Result<u64, BadPhoto> {
    frames.into_iter().try_fold(0_u64, |sum, (width, height)| {
        within(sum.saturating_add(count(width, height)?), width.max(height))
    })
}

#[cfg(test)]
mod tests {
    use super::{PIXELS_MAX, SIDE_MAX, count, sum};
    use crate::domain::BadPhoto;

    #[test]
    fn pictures_have_limits_by_side_by_area_and_together() {
        for (width, height, expected) in [
            (1, 1, Ok(1)),
            (8_660, 5_773, Ok(49_994_180)),
            (SIDE_MAX, 3_000, Ok(49_152_000)),
            (SIDE_MAX + 1, 1, Err(BadPhoto::TooManyPixels)),
            (7_072, 7_072, Err(BadPhoto::TooManyPixels)),
            (60_000, 60_000, Err(BadPhoto::TooManyPixels)),
            (u32::MAX, u32::MAX, Err(BadPhoto::TooManyPixels)),
            (0, 5, Err(BadPhoto::Damaged)),
        ] {
            assert_eq!(count(width, height), expected, "{width} x {height}");
        }
        assert_eq!(sum([(5_000, 5_000), (5_000, 5_000)]), Ok(PIXELS_MAX));
        assert_eq!(sum([(5_000, 5_000), (5_000, 5_000), (1, 1)]), Err(BadPhoto::TooManyPixels));
    }
}
