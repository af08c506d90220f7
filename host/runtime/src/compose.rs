//! Links a component with its dependencies into one component, as Spin does.

use std::collections::BTreeMap;

use wac_graph::types::{Package, WorldId};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId};

/// One dependency of a component.
#[derive(Clone, Debug)]
pub struct DependencySource {
    /// The name in the manifest: `package`, `package@version`, `package/interface@version` or a plain import.
    pub name: String,
    /// Where the satisfying export's name differs from the import's.
    pub export: Option<String>,
    /// The component's bytes.
    pub bytes: Vec<u8>,
}

/// Why linking failed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The bytes are not a component.
    #[error("'{name}' is not a WebAssembly component: {message}")]
    NotAComponent {
        /// Component or dependency.
        name: String,
        /// What the parser said.
        message: String,
    },
    /// A dependency that nothing imports.
    #[error("dependency '{0}' matches no import of the component; remove it, or check its version")]
    Unmatched(String),
    /// Two dependencies for one import.
    #[error("import '{import}' is satisfied by both '{first}' and '{second}'")]
    Conflict {
        /// The import.
        import: String,
        /// One dependency.
        first: String,
        /// The other.
        second: String,
    },
    /// The dependency lacks the export, or its type does not fit.
    #[error("dependency '{dependency}' does not satisfy import '{import}': {message}")]
    Unsatisfied {
        /// The dependency.
        dependency: String,
        /// The import.
        import: String,
        /// What is wrong.
        message: String,
    },
    /// The linked component could not be written.
    #[error("cannot write the linked component: {0}")]
    Encode(String),
}

/// Links `bytes` with its dependencies. Without dependencies the bytes come back as they are.
///
/// # Errors
/// When something is not a component, matches nothing, or does not fit.
pub fn compose(id: &str, bytes: Vec<u8>, dependencies: &[DependencySource]) -> Result<Vec<u8>, ComposeError> {
    if dependencies.is_empty() {
        return Ok(bytes);
    }
    let mut graph = CompositionGraph::new();
    let (world, root) = add(&mut graph, id, bytes)?;
    let imports: Vec<String> = graph.types()[world].imports.keys().cloned().collect();

    let mut satisfied: BTreeMap<&str, &str> = BTreeMap::new();
    for dependency in dependencies {
        let matched: Vec<&String> = imports.iter().filter(|i| matches_import(&dependency.name, i)).collect();
        if matched.is_empty() {
            return Err(ComposeError::Unmatched(dependency.name.clone()));
        }
        let (_, node) =
            add(&mut graph, &format!("dependency:{}", dependency.name), dependency.bytes.clone())?;
        for import in matched {
            if let Some(first) = satisfied.insert(import, &dependency.name) {
                return Err(ComposeError::Conflict {
                    import: import.clone(),
                    first: first.to_owned(),
                    second: dependency.name.clone(),
                });
            }
            connect(&mut graph, root, node, import, dependency)?;
        }
    }
    let exports: Vec<String> = graph.types()[world].exports.keys().cloned().collect();
    for export in exports {
        let alias =
            graph.alias_instance_export(root, &export).map_err(|e| ComposeError::Encode(e.to_string()))?;
        graph.export(alias, &export).map_err(|e| ComposeError::Encode(e.to_string()))?;
    }
    graph.encode(EncodeOptions::default()).map_err(|e| ComposeError::Encode(e.to_string()))
}

fn add(graph: &mut CompositionGraph, name: &str, bytes: Vec<u8>) -> Result<(WorldId, NodeId), ComposeError> {
    let refuse = |message: String| ComposeError::NotAComponent { name: name.to_owned(), message };
    let package =
        Package::from_bytes(name, None, bytes, graph.types_mut()).map_err(|e| refuse(format!("{e:#}")))?;
    let world = package.ty();
    let package = graph.register_package(package).map_err(|e| refuse(e.to_string()))?;
    Ok((world, graph.instantiate(package)))
}

fn connect(
    graph: &mut CompositionGraph,
    root: NodeId,
    node: NodeId,
    import: &str,
    dependency: &DependencySource,
) -> Result<(), ComposeError> {
    let unsatisfied = |message: String| ComposeError::Unsatisfied {
        dependency: dependency.name.clone(),
        import: import.to_owned(),
        message,
    };
    let export = dependency.export.as_deref().unwrap_or(import);
    let alias = graph.alias_instance_export(node, export).map_err(|e| unsatisfied(e.to_string()))?;
    graph.set_instantiation_argument(root, import, alias).map_err(|e| unsatisfied(format!("{e:?}")))
}

/// Whether a dependency's name covers an import. A package name covers all its interfaces; a part that is left out of
/// the name matches any.
fn matches_import(name: &str, import: &str) -> bool {
    let (name_path, name_version) = split_version(name);
    let (import_path, import_version) = split_version(import);
    let path_matches = import_path == name_path
        || (!name_path.contains('/')
            && name_path.contains(':')
            && import_path.strip_prefix(name_path).is_some_and(|rest| rest.starts_with('/')));
    path_matches && (name_version.is_none() || name_version == import_version)
}

fn split_version(name: &str) -> (&str, Option<&str>) {
    name.split_once('@').map_or((name, None), |(path, version)| (path, Some(version)))
}

#[cfg(test)]
mod tests {
    use super::matches_import;

    #[test]
    fn names_cover_imports_as_in_spin() {
        for (name, import, expected) in [
            ("a:b/c@0.1.0", "a:b/c@0.1.0", true),
            ("a:b/c", "a:b/c@0.1.0", true),
            ("a:b", "a:b/c@0.1.0", true),
            ("a:b@0.1.0", "a:b/c@0.1.0", true),
            ("a:b@0.2.0", "a:b/c@0.1.0", false),
            ("a:b@0.1.0", "a:b/c", false),
            ("a:b", "a:bb/c", false),
            ("plain", "plain", true),
        ] {
            assert_eq!(matches_import(name, import), expected, "{name} {import}");
        }
    }
}
