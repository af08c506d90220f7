//! What a component imports, and whether a dependency may.

use crate::app::AppError;
use crate::manifest;

/// Refuses a dependency that imports an ability it may not inherit. Spin refuses at the call; here the node does not
/// start, which shows the mistake earlier.
pub(crate) fn check_inherited(
    component: &str,
    dependency: &str,
    definition: &manifest::Component,
    inherit: &manifest::Inherit,
    bytes: &[u8],
) -> Result<(), AppError> {
    const ABILITIES: &[(&str, &str)] = &[
        ("spin:sqlite/", "sqlite_databases"),
        ("spin:key-value/", "key_value_stores"),
        ("spin:variables/", "variables"),
        ("wasi:http/outgoing-handler", "allowed_outbound_hosts"),
        ("wasi:http/client", "allowed_outbound_hosts"),
        ("wasi:sockets/", "allowed_outbound_hosts"),
    ];
    let imports = compose_imports(component, bytes)?;
    for import in imports {
        let needed = ABILITIES.iter().find(|(prefix, _)| import.starts_with(prefix)).map(|(_, key)| *key);
        let leaks_environment =
            import.starts_with("wasi:cli/environment") && !definition.environment.is_empty();
        let needed = if leaks_environment { Some("environment") } else { needed };
        if let Some(key) = needed
            && !inherit.shares(key)
        {
            return Err(AppError::NotInherited {
                component: component.to_owned(),
                dependency: dependency.to_owned(),
                import,
                key,
            });
        }
    }
    Ok(())
}

fn compose_imports(component: &str, bytes: &[u8]) -> Result<Vec<String>, AppError> {
    component_imports(bytes).map_err(|message| AppError::Compile { component: component.to_owned(), message })
}

/// Names of everything a component imports, read from its bytes.
///
/// # Errors
/// What the parser said where the bytes are not a component.
pub fn component_imports(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut imports = Vec::new();
    let mut depth = 0_u32;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| e.to_string())? {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => {
                depth += 1;
            }
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(|e| e.to_string())?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(imports)
}
