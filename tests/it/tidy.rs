//! The source itself: what the reader may count on in every file.

use std::path::{Path, PathBuf};

use petwalker_tests::root;

/// Lines of a source file; a longer one is two files.
const LINES_MAX: usize = 500;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["components", "host", "tests", "bench"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100, "only {} files were found", found.len());
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).expect("text");
        let is_module = !text.starts_with("fn main");
        assert!(!is_module || text.contains("//! "), "{} does not say what it is", shown(&path));
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", shown(&path));
    }
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not hold them.
    let markers = [("TO", "DO"), ("FIX", "ME")].map(|(head, tail)| format!("{head}{tail}"));
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).expect("text");
        for marker in &markers {
            assert!(!text.contains(marker.as_str()), "{} holds a {marker}", shown(&path));
        }
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", shown(&path));
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    let manifests = all_sources()
        .iter()
        .filter_map(|path| {
            path.ancestors().find(|a| a.join("Cargo.toml").exists()).map(|a| a.join("Cargo.toml"))
        })
        .collect::<std::collections::BTreeSet<_>>();
    assert!(manifests.len() >= 15, "only {} crates were found", manifests.len());
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).expect("text");
        assert!(text.contains("[lints]\nworkspace = true"), "{} has lints of its own", shown(&manifest));
    }
}

#[test]
fn layers_and_domains_know_only_what_is_under_them() {
    for (folder, forbidden) in [
        ("host/runtime", &["edge_data", "edge_streams", "edge_delivery", "edge_node", "petwalker_"][..]),
        ("host/data", &["edge_streams", "edge_delivery", "edge_node", "petwalker_"]),
        ("host/streams", &["edge_delivery", "edge_node", "petwalker_"]),
        ("host/delivery", &["edge_node", "petwalker_"]),
    ] {
        let mut files = Vec::new();
        sources(&root().join(folder).join("src"), &mut files);
        for path in files {
            // The journal is the envelope of any event: it knows no pets either.
            let text =
                std::fs::read_to_string(&path).expect("text").to_lowercase().replace("petwalker_journal", "");
            for word in forbidden.iter().chain(&["walker", "tutor", "ride_id", "ride.", "rides", "invoice"]) {
                assert!(!text.contains(word), "{} names '{word}'", shown(&path));
            }
        }
    }
    for component in std::fs::read_dir(root().join("components")).expect("a folder") {
        let domain = component.expect("an entry").path().join("src/domain");
        let mut files = Vec::new();
        if domain.exists() {
            sources(&domain, &mut files);
        }
        for path in files {
            let text = std::fs::read_to_string(&path).expect("text");
            for word in
                ["petwalker_store", "spin_sdk", "crate::sql", "crate::guest", "SystemTime::now", "std::fs"]
            {
                let inside_test = word == "std::fs" && path.ends_with("tests.rs");
                assert!(inside_test || !text.contains(word), "{} reaches for {word}", shown(&path));
            }
        }
    }
}
