//! Every SQL statement of the components, as it stands in their source, prepares against the committed schema.

use std::path::Path;

use petwalker_tests::root;
use syn::visit::Visit;

/// Which databases a component's statements are written for.
const DATABASES: &[(&str, &[&str])] = &[
    ("advice", &[]),
    ("billing", &["global"]),
    ("gateway", &["region", "global"]),
    ("identity", &["global", "region"]),
    ("insights", &["global"]),
    ("marketplace", &["global"]),
    ("notifications", &["global"]),
    ("matching", &["region"]),
    ("pricing", &["region", "global"]),
    ("store", &["region", "global"]),
    ("tracking", &["region"]),
];

#[derive(Default)]
struct Literals(Vec<String>);

impl Visit<'_> for Literals {
    fn visit_lit_str(&mut self, literal: &syn::LitStr) {
        let text = literal.value();
        let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
        if verbs.iter().any(|verb| text.starts_with(verb)) {
            self.0.push(text);
        }
    }

    // Tests say what they like.
    fn visit_item_mod(&mut self, module: &syn::ItemMod) {
        let is_test = module.attrs.iter().any(|a| a.path().is_ident("cfg"));
        if !is_test {
            syn::visit::visit_item_mod(self, module);
        }
    }
}

fn statements(folder: &Path, found: &mut Literals) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            statements(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            found.visit_file(&syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        }
    }
}

async fn database(label: &str) -> libsql::Connection {
    let connection =
        libsql::Builder::new_local(":memory:").build().await.expect("built").connect().expect("connected");
    let schema =
        std::fs::read_to_string(root().join(format!("db-schema/{label}/schema.sql"))).expect("there");
    connection.execute_batch(&schema).await.expect("runs");
    connection
}

#[tokio::test]
async fn every_statement_prepares_against_the_schema() {
    let (region, global) = (database("region").await, database("global").await);
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("components")).expect("a folder") {
        let folder = entry.expect("an entry").path();
        let mut found = Literals::default();
        if folder.join("src").exists() {
            statements(&folder.join("src"), &mut found);
        }
        let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let labels = DATABASES.iter().find(|(component, _)| *component == name).map_or(&[][..], |(_, l)| *l);
        for statement in found.0 {
            count += 1;
            let mut refusals = Vec::new();
            for label in labels {
                let connection = if *label == "region" { &region } else { &global };
                match connection.prepare(&statement).await {
                    Ok(_) => break,
                    Err(error) => refusals.push(format!("{label}: {error}")),
                }
            }
            assert!(refusals.len() < labels.len(), "{name}: {statement}\n{refusals:?}");
        }
    }
    assert!(count > 80, "only {count} statements were found");
}
