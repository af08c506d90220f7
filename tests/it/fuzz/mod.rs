//! Bytes from outside, bent in every way: each decoder answers with a value or an error, and never with a panic.
//!
//! Inputs are the files of `tests/corpus/<decoder>/`, changed by a few edits. A found failure is shrunk by proptest; keep
//! its bytes as another file of the corpus. `PETWALKER_FUZZ_CASES=100000 cargo test -p petwalker-tests fuzz` looks longer.

mod decoders;
mod doors;
mod frames;

use petwalker_tests::root;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// One change to an input.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

/// What decoders have stumbled over: ends of ranges, markers, deep openings, broken UTF-8, numbers out of range.
const TELLING: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[[[[[[[[",
    b"{\"a\":",
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"%00",
    b"%2f..%2f",
    b"''--",
    b"\"\\ud800\"",
    b"\r\n\r\n",
];

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if let Self::Insert(at, what) = self {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, what.iter().copied());
        }
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Set(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Self::Insert(..) => {}
            Self::Delete(at, length) => {
                let from = at.index(bytes.len());
                let to = (from + length).min(bytes.len());
                bytes.drain(from..to);
            }
            Self::Repeat(at, length) => {
                let from = at.index(bytes.len());
                let to = (from + length).min(bytes.len());
                let part = bytes[from..to].to_vec();
                bytes.splice(to..to, part);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Edit::Set(at, value)),
        (any::<Index>(), proptest::sample::select(TELLING))
            .prop_map(|(at, what)| Edit::Insert(at, what.to_vec())),
        (any::<Index>(), 1_usize..32).prop_map(|(at, length)| Edit::Delete(at, length)),
        (any::<Index>(), 1_usize..64).prop_map(|(at, length)| Edit::Repeat(at, length)),
        any::<Index>().prop_map(Edit::Cut),
    ]
}

/// The files of a decoder's corpus.
fn corpus(decoder: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/corpus").join(decoder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{decoder} has no corpus");
    files.iter().map(|file| std::fs::read(file).expect("a file")).collect()
}

fn cases(default: u32) -> u32 {
    std::env::var("PETWALKER_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Runs `check` on the corpus as it is, then on `default_cases` changed inputs. A panic is a failure, and is shrunk.
#[track_caller]
fn fuzz(decoder: &str, default_cases: u32, check: impl Fn(&[u8])) {
    let files = corpus(decoder);
    for file in &files {
        check(file);
    }
    let inputs = (proptest::sample::select(files), proptest::collection::vec(edit(), 1..8)).prop_map(
        |(mut bytes, edits)| {
            edits.iter().for_each(|edit| edit.apply(&mut bytes));
            bytes
        },
    );
    let config = Config { cases: cases(default_cases), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&inputs, |bytes| {
        check(&bytes);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{decoder}: {failure}");
    }
}
