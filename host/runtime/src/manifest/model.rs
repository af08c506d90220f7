//! The manifest's shape, key by key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) spin_manifest_version: Spanned<u32>,
    pub(super) application: Application,
    #[serde(default)]
    pub(super) variables: BTreeMap<Spanned<String>, Variable>,
    #[serde(default)]
    pub(super) trigger: Triggers,
    #[serde(default)]
    pub(super) component: BTreeMap<Spanned<String>, Component>,
}

/// `[application]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Name of the application.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
}

/// One of `[variables]`: required, or with a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The value where nobody sets one.
    pub default: Option<String>,
    /// Whether somebody must set it.
    #[serde(default)]
    pub required: bool,
    /// Whether it is kept out of logs and listings.
    #[serde(default)]
    pub secret: bool,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
}

/// `[trigger.*]`: this host has the HTTP trigger only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// `[[trigger.http]]`.
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
}

/// One of `[[trigger.http]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    /// A name for the trigger.
    #[serde(default)]
    pub id: String,
    /// Which paths it takes.
    pub route: Spanned<RoutePattern>,
    /// The component that answers.
    pub component: Spanned<String>,
}

/// The value of `route`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RoutePattern {
    /// A path: exact, with `:parameter` segments, or ending in `/...`.
    Path(String),
    /// `{ private = true }`: no path of its own.
    Private(Private),
}

/// `{ private = true }`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    /// Must be true.
    pub private: bool,
}

/// `[component.<id>]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The component's file, relative to the manifest.
    pub source: Spanned<PathBuf>,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Variables the component may read, as templates over the application's.
    #[serde(default)]
    pub variables: BTreeMap<String, Spanned<String>>,
    /// Environment variables of the component.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Labels of the databases it may open.
    #[serde(default)]
    pub sqlite_databases: Vec<String>,
    /// Labels of the key-value stores it may open.
    #[serde(default)]
    pub key_value_stores: Vec<String>,
    /// `scheme://host:port` patterns it may connect to.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<Spanned<String>>,
    /// How to build it.
    pub build: Option<Build>,
    /// Components that satisfy its imports, by package or interface name.
    #[serde(default)]
    pub dependencies: BTreeMap<Spanned<String>, Dependency>,
}

/// `[component.<id>.build]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// One command or several, run by the shell.
    pub command: OneOrMany,
    /// Folder they run in, relative to the manifest.
    pub workdir: Option<PathBuf>,
    /// Globs of the files the component is built from.
    #[serde(default)]
    pub watch: Vec<String>,
}

/// One string or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// One of `[component.<id>.dependencies]`: a file or another component of the manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// A component file, relative to the manifest.
    pub path: Option<PathBuf>,
    /// A component of this manifest.
    pub component: Option<Spanned<String>>,
    /// The export that satisfies the import, where its name differs.
    pub export: Option<String>,
    /// Which of the dependent's abilities it shares. None without it.
    #[serde(default)]
    pub inherit_configuration: Inherit,
}

/// Which abilities of the dependent a dependency shares.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Inherit {
    /// All or none.
    All(bool),
    /// Those named, by their manifest keys.
    Some(Vec<String>),
}

impl Default for Inherit {
    fn default() -> Self {
        Self::All(false)
    }
}

impl Inherit {
    /// Whether the ability of that manifest key is shared.
    #[must_use]
    pub fn shares(&self, key: &str) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Some(keys) => keys.iter().any(|k| k == key),
        }
    }
}
