//! The Spin manifest, version 2.
//!
//! Read strictly: a key that this host does not carry out is refused with its name and its line, so that an
//! application never runs with less than it asked for. The keys and their meaning are Spin's; see
//! <https://spinframework.dev/v3/manifest-reference>.

mod check;
mod model;

use std::path::{Path, PathBuf};

pub use model::{
    Application, Build, Component, Dependency, HttpTrigger, Inherit, OneOrMany, Private, RoutePattern,
    Triggers, Variable,
};

/// A manifest that was read and checked.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `[application]`.
    pub application: Application,
    /// `[variables]`.
    pub variables: std::collections::BTreeMap<String, Variable>,
    /// `[[trigger.http]]`, in the file's order.
    pub triggers: Vec<HttpTrigger>,
    /// `[component.*]`.
    pub components: std::collections::BTreeMap<String, Component>,
    /// The folder that relative paths start from.
    pub root: PathBuf,
}

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file could not be read.
    #[error("cannot read the manifest {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a manifest: syntax, an unknown key, a wrong type.
    #[error("{path} is not a manifest that this node can run:\n{message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column, and what is wrong there.
        message: String,
    },
    /// The text is well formed and does not hold together.
    #[error("{path}:{line}: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line of the offending value, from 1.
        line: usize,
        /// What is wrong and what to write instead.
        message: String,
    },
}

impl Manifest {
    /// Reads and checks the manifest at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, has a key this host does not carry out, or does not hold together.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// The same for a text that was read already; `path` names it in errors and roots its relative paths.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let file: model::File = toml::from_str(text)
            .map_err(|e| ManifestError::Parse { path: path.to_owned(), message: e.to_string() })?;
        check::check(&file, text, path)?;
        let root = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            application: file.application,
            variables: file.variables.into_iter().map(|(k, v)| (k.into_inner(), v)).collect(),
            triggers: file.trigger.http,
            components: file.component.into_iter().map(|(k, v)| (k.into_inner(), v)).collect(),
            root,
        })
    }

    /// Absolute path of a component's `source`.
    #[must_use]
    pub fn source_path(&self, component: &Component) -> PathBuf {
        self.root.join(component.source.get_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use std::path::Path;

    const HEAD: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n";

    fn refusal(rest: &str) -> String {
        Manifest::parse(&format!("{HEAD}{rest}"), Path::new("spin.toml")).expect_err("refused").to_string()
    }

    #[test]
    fn reads_what_spin_reads() {
        let manifest = Manifest::parse(
            &format!(
                r#"{HEAD}
[variables]
token = {{ default = "x", secret = true }}
[[trigger.http]]
route = "/a/:id/..."
component = "web"
[[trigger.http]]
route = {{ private = true }}
component = "web"
[component.web]
source = "web.wasm"
sqlite_databases = ["region"]
variables = {{ t = "{{{{ token }}}}" }}
[component.web.build]
command = "cargo build"
watch = ["src/**/*.rs"]
[component.web.dependencies]
"a:b@0.1.0" = {{ component = "dep", inherit_configuration = ["sqlite_databases"] }}
"c:d/e" = {{ path = "e.wasm", export = "x:y/z" }}
[component.dep]
source = "dep.wasm"
"#
            ),
            Path::new("spin.toml"),
        )
        .expect("accepted");
        assert_eq!(manifest.triggers.len(), 2);
        assert_eq!(manifest.components["web"].dependencies.len(), 2);
    }

    #[test]
    fn refuses_with_name_and_line() {
        let cases: &[(&str, &[&str])] = &[
            ("[component.a]\nsource = \"a.wasm\"\nai_models = [\"x\"]\n", &["line 6", "ai_models"]),
            ("[component.a]\nsource = 3\n", &["line 5"]),
            ("[[trigger.redis]]\nchannel = \"x\"\ncomponent = \"a\"\n", &["line 4", "redis"]),
            ("[[trigger.http]]\nroute = \"/x\"\ncomponent = \"nobody\"\n", &["spin.toml:6", "nobody"]),
            (
                "[[trigger.http]]\nroute = \"x\"\ncomponent = \"a\"\n[component.a]\nsource=\"a\"\n",
                &["spin.toml:5", "'/'"],
            ),
            (
                "[component.a]\nsource=\"a\"\n[component.a.dependencies]\n\"x:y\" = { component = \"b\" }\n",
                &["spin.toml:7", "'b'"],
            ),
            (
                "[[trigger.http]]\nroute=\"/x\"\ncomponent=\"a\"\n[[trigger.http]]\nroute=\"/x\"\ncomponent=\"a\"\n[component.a]\nsource=\"a\"\n",
                &["spin.toml:8", "twice"],
            ),
            (
                "[component.a]\nsource=\"a\"\n[component.a.variables]\nx=\"{{ y }}\"\n",
                &["spin.toml:7", "'y'"],
            ),
            ("[variables]\nUpper = { default = \"\" }\n", &["spin.toml:5", "Upper"]),
        ];
        for (text, expected) in cases {
            let message = refusal(text);
            for part in *expected {
                assert!(message.contains(part), "{part:?} not in {message}");
            }
        }
    }
}
