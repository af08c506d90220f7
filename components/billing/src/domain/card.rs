//! Card numbers, which are not to be kept: a provider's token stands for them.

/// How many digits a card number has (ISO/IEC 7812-1).
const DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// Whether some digits of the text, hyphens and underscores between them left out, are a card number by their count and
/// check digit.
#[must_use]
pub fn looks_like_a_card(text: &str) -> bool {
    text.split(|c: char| c.is_ascii_alphabetic()).any(|part| {
        let digits: Vec<u8> = part.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        DIGITS.contains(&digits.len()) && luhn(&digits)
    })
}

/// Whether the last digit checks the others (Luhn, ISO/IEC 7812-1 annex B).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let doubled = u32::from(*digit) * if index % 2 == 1 { 2 } else { 1 };
            doubled / 10 + doubled % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_card;

    #[test]
    fn card_numbers_are_told_from_tokens() {
        for (text, card) in [
            ("4242424242424242", true),
            ("4242-4242-4242-4242", true),
            ("card_4242424242424242", true),
            ("378282246310005", true),
            ("6304000000000000", true),
            ("4242424242424241", false),
            ("test_ok", false),
            ("pm_1MqLiJLkdIwHu7ixUEgbFdYF", false),
            ("00000000000", false),
            ("tok-12345678", false),
        ] {
            assert_eq!(looks_like_a_card(text), card, "{text}");
        }
    }
}
