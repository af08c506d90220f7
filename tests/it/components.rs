//! What the compiled components import: what stock Spin offers, and each other.

use edge_runtime::Manifest;
use edge_runtime::app::component_imports;
use petwalker_tests::product;

/// Interfaces that Spin 4.1 gives every component, by prefix, with the versions it has.
const SPIN: &[(&str, &[&str])] = &[
    ("wasi:cli/", &["0.2", "0.3"]),
    ("wasi:clocks/", &["0.2", "0.3"]),
    ("wasi:filesystem/", &["0.2", "0.3"]),
    ("wasi:http/", &["0.2", "0.3"]),
    ("wasi:io/", &["0.2"]),
    ("wasi:random/", &["0.2", "0.3"]),
    ("wasi:sockets/", &["0.2", "0.3"]),
    ("spin:sqlite/", &["3.1"]),
    ("spin:key-value/", &["3.0"]),
    ("spin:variables/", &["3.0"]),
];

#[test]
fn components_import_nothing_that_stock_spin_lacks() {
    let manifest = Manifest::load(product()).expect("the manifest");
    for (id, component) in &manifest.components {
        let bytes = std::fs::read(manifest.source_path(component)).expect("the component");
        let imports = component_imports(&bytes).expect("a component");
        assert!(!imports.is_empty(), "{id} imports nothing: the list was not read");
        for import in imports {
            let offered = SPIN.iter().any(|(prefix, versions)| {
                import.starts_with(prefix)
                    && import
                        .rsplit_once('@')
                        .is_some_and(|(_, v)| versions.iter().any(|known| v.starts_with(known)))
            });
            let satisfied = import.strip_prefix("petwalker:").is_some_and(|rest| {
                let package = rest.split('/').next().unwrap_or_default();
                component
                    .dependencies
                    .keys()
                    .any(|d| d.get_ref().starts_with(&format!("petwalker:{package}@")))
            });
            assert!(offered || satisfied, "{id} imports {import}");
        }
    }
}

#[test]
fn the_manifest_uses_only_what_spin_reads() {
    let manifest = Manifest::load(product()).expect("the manifest");
    for component in manifest.components.values() {
        let settings = component.sqlite_databases.len() + component.variables.len();
        let is_dependency = manifest
            .triggers
            .iter()
            .all(|t| manifest.components[t.component.get_ref()].source != component.source);
        assert!(
            !is_dependency || settings == 0,
            "a dependency has settings of its own, which Spin passes over"
        );
    }
    let runtime = std::fs::read_to_string(petwalker_tests::root().join("edge-config/spin-runtime.toml"))
        .expect("the file");
    for label in ["region", "global"] {
        assert!(
            runtime.contains(&format!("[sqlite_database.{label}]")),
            "{label} is not mapped for stock Spin"
        );
    }
}
