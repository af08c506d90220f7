//! The first gate: one pass over the text, without recursion and without allocating.
//!
//! It knows GraphQL's lexical grammar only (October 2021, section 2.1): names, numbers, strings, block strings, comments and
//! punctuators. A text that breaks it is refused here, so that the parser behind never reads a bracket where this pass saw
//! a string.

use super::Violation;

/// How much text a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of the whole document.
    pub bytes: usize,
    /// Names, numbers, strings and punctuators.
    pub tokens: usize,
    /// Brackets of any kind, `(`, `[` and `{`, that are open at once.
    pub nesting: usize,
    /// Bytes of one name.
    pub name_bytes: usize,
    /// `@`: directives in the whole document.
    pub directives: usize,
}

/// What a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Names, numbers, strings and punctuators.
    pub tokens: usize,
    /// Most brackets that are open at once.
    pub nesting: usize,
    /// Directives.
    pub directives: usize,
}

/// Measures a document.
///
/// # Errors
/// When it is larger than the limits, or is no sequence of GraphQL tokens.
pub fn measure(text: &str, limits: &TextLimits) -> Result<Measure, Violation> {
    if text.len() > limits.bytes {
        let detail = format!("the document may have {} bytes: send what is long as variables", limits.bytes);
        return Err(Violation::too_complex(detail));
    }
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let (mut measure, mut open) = (Measure::default(), 0_usize);
    while let Some(token) = reader.next(limits)? {
        measure.tokens += 1;
        match token {
            Token::Open => {
                open += 1;
                measure.nesting = measure.nesting.max(open);
            }
            Token::Close => {
                open = open.checked_sub(1).ok_or_else(|| reader.fault("a bracket closes nothing"))?;
            }
            Token::At => measure.directives += 1,
            Token::Other => {}
        }
        for (what, is, may) in [
            ("tokens", measure.tokens, limits.tokens),
            ("nested brackets", measure.nesting, limits.nesting),
            ("directives", measure.directives, limits.directives),
        ] {
            if is > may {
                let place = reader.place();
                let detail = format!("the document may have {may} {what}");
                return Err(Violation { at: Some(place), ..Violation::too_complex(detail) });
            }
        }
    }
    if open == 0 { Ok(measure) } else { Err(reader.fault("the document ends inside a bracket")) }
}

enum Token {
    Open,
    Close,
    At,
    Other,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(with))
    }

    /// The next token; none at the end.
    fn next(&mut self, limits: &TextLimits) -> Result<Option<Token>, Violation> {
        self.skip_ignored();
        let Some(byte) = self.peek(0) else { return Ok(None) };
        let token = match byte {
            b'{' | b'(' | b'[' => Token::Open,
            b'}' | b')' | b']' => Token::Close,
            b'@' => Token::At,
            b'!' | b'$' | b'&' | b':' | b'=' | b'|' => Token::Other,
            b'.' if self.starts(b"...") => {
                self.at += 2;
                Token::Other
            }
            b'"' => return self.skip_string().map(|()| Some(Token::Other)),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => return self.skip_name(limits).map(|()| Some(Token::Other)),
            b'-' | b'0'..=b'9' => {
                self.skip_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'));
                return Ok(Some(Token::Other));
            }
            _ => return Err(self.fault("this character stands for nothing in GraphQL")),
        };
        self.at += 1;
        Ok(Some(token))
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&belongs) {
            self.at += 1;
        }
    }

    /// White space, commas, byte order marks and comments.
    fn skip_ignored(&mut self) {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => self.at += 1,
                Some(b'#') => self.skip_while(|b| !matches!(b, b'\n' | b'\r')),
                Some(0xEF) if self.starts("\u{feff}".as_bytes()) => self.at += 3,
                _ => return,
            }
        }
    }

    fn skip_name(&mut self, limits: &TextLimits) -> Result<(), Violation> {
        let begin = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        if self.at - begin > limits.name_bytes {
            self.at = begin;
            let detail = format!("a name may have {} characters", limits.name_bytes);
            return Err(Violation { at: Some(self.place()), ..Violation::too_complex(detail) });
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), Violation> {
        let begin = self.at;
        let is_block = self.starts(b"\"\"\"");
        self.at += if is_block { 3 } else { 1 };
        let ended = if is_block { self.skip_block() } else { self.skip_line() };
        if ended {
            return Ok(());
        }
        self.at = begin;
        Err(self.fault("a string does not end"))
    }

    /// To behind the end of a block string; false where there is none.
    fn skip_block(&mut self) -> bool {
        while self.at < self.text.len() {
            if self.starts(b"\\\"\"\"") {
                self.at += 4;
            } else if self.starts(b"\"\"\"") {
                self.at += 3;
                return true;
            } else {
                self.at += 1;
            }
        }
        false
    }

    /// To behind the end of a string of one line; false where there is none.
    fn skip_line(&mut self) -> bool {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' | b'\r' => return false,
                b'"' => {
                    self.at += 1;
                    return true;
                }
                b'\\' if !matches!(self.peek(1), Some(b'\n' | b'\r') | None) => self.at += 2,
                _ => self.at += 1,
            }
        }
        false
    }

    /// Line and column of where reading stands, both from 1; columns count characters.
    fn place(&self) -> (usize, usize) {
        let before = String::from_utf8_lossy(self.text.get(..self.at).unwrap_or(self.text));
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }

    fn fault(&self, what: &str) -> Violation {
        let place = self.place();
        Violation::malformed(format!("{what} (line {}, column {})", place.0, place.1), Some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, TextLimits, measure};
    use crate::domain::Code;
    use proptest::prelude::*;

    const LIMITS: TextLimits =
        TextLimits { bytes: 2_000, tokens: 100, nesting: 8, name_bytes: 12, directives: 3 };

    #[test]
    fn brackets_count_where_they_are_brackets() {
        for (text, tokens, nesting) in [
            ("", 0, 0),
            ("{ a }", 3, 1),
            ("query Q($a: [Int!]! = [1, -2.5e3]) { a(b: {c: \"d\"}) }", 29, 3),
            ("{ a(b: \"[[[[[[[[[[[[[[[[\") }", 8, 2),
            ("{ a(b: \"\\\"[[[[[[[[[[[[[[\") }", 8, 2),
            ("{ a(b: \"\"\"[[[ \\\"\"\" [[[[[[ \"[[\" \n [[[ \"\"\") }", 8, 2),
            ("{ a(b: \"\", c: \"\"\"\"\"\") }", 11, 2),
            ("# {{{{{{{{{{{{{ \" \r{ a } # }}}", 3, 1),
            ("\u{feff}{ ...F @skip(if: true) }", 11, 2),
        ] {
            let found = measure(text, &LIMITS).expect(text);
            assert_eq!((found.tokens, found.nesting), (tokens, nesting), "{text}");
        }
    }

    #[test]
    fn a_fault_has_its_kind_and_its_place() {
        let deep = "{".repeat(9);
        let many = "a ".repeat(101);
        let long = "a".repeat(2_001);
        for (text, code, at) in [
            ("{ a", Code::Malformed, Some((1, 4))),
            ("{ a } }", Code::Malformed, Some((1, 8))),
            ("{\n é }", Code::Malformed, Some((2, 2))),
            ("{ a(b: \"x\n\") }", Code::Malformed, Some((1, 8))),
            ("{ a(b: \"\"\"x\") }", Code::Malformed, Some((1, 8))),
            ("{ a .. b }", Code::Malformed, Some((1, 5))),
            ("{ aaaaaaaaaaaaa }", Code::TooComplex, Some((1, 3))),
            ("{ a @a @b @c @d }", Code::TooComplex, Some((1, 15))),
            (deep.as_str(), Code::TooComplex, Some((1, 10))),
            (many.as_str(), Code::TooComplex, Some((1, 202))),
            (long.as_str(), Code::TooComplex, None),
        ] {
            let refused = measure(text, &LIMITS).expect_err(text);
            assert_eq!((refused.code, refused.at), (code, at), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_measured_or_refused(text in ".{0,300}") {
            if let Ok(found) = measure(&text, &LIMITS) {
                prop_assert!(found.tokens <= LIMITS.tokens && found.nesting <= LIMITS.nesting);
            }
        }

        /// Whatever stands in a string or a comment is not counted.
        #[test]
        fn what_is_quoted_does_not_count(quoted in "[\\[\\](){}#a-z ,.]{0,200}") {
            let string = format!("{{ a(b: \"{quoted}\") }}");
            let block = format!("{{ a(b: \"\"\"{quoted}\n{quoted}\"\"\") }}");
            let comment = format!("#{quoted}\n{{ a(b: 1) }}#{quoted}");
            let expected = Measure { tokens: 8, nesting: 2, directives: 0 };
            for text in [string, block, comment] {
                prop_assert_eq!(measure(&text, &LIMITS), Ok(expected));
            }
        }

        /// What the parser reads and this pass admits nests no deeper for the parser than it was measured.
        #[test]
        fn the_parser_agrees(text in "[{}()\\[\\]\"\\\\a: \n#.$@]{0,60}") {
            let limits = TextLimits { tokens: 1_000, nesting: 60, name_bytes: 60, directives: 60, ..LIMITS };
            if async_graphql_parser::parse_query(&text).is_ok() {
                prop_assert!(measure(&text, &limits).is_ok(), "{text:?}");
            }
        }
    }
}
