//! What a well-formed manifest must also satisfy.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use super::ManifestError;
use super::model::{Dependency, File, Inherit, RoutePattern};
use crate::{outbound, route, variables};

/// The manifest keys that `inherit_configuration` may list.
const INHERITABLE: &[&str] = &[
    "allowed_outbound_hosts",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
    "ai_models",
];

struct Checker<'a> {
    text: &'a str,
    path: &'a Path,
}

pub(super) fn check(file: &File, text: &str, path: &Path) -> Result<(), ManifestError> {
    let checker = Checker { text, path };
    checker.version(file)?;
    checker.variables(file)?;
    checker.triggers(file)?;
    checker.components(file)
}

impl Checker<'_> {
    fn refuse<T>(&self, span: Range<usize>, message: impl Into<String>) -> Result<T, ManifestError> {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        Err(ManifestError::Invalid { path: self.path.to_owned(), line, message: message.into() })
    }

    fn version(&self, file: &File) -> Result<(), ManifestError> {
        match file.spin_manifest_version.get_ref() {
            2 => Ok(()),
            other => self.refuse(
                file.spin_manifest_version.span(),
                format!("manifest version {other} is not supported; write spin_manifest_version = 2"),
            ),
        }
    }

    fn variables(&self, file: &File) -> Result<(), ManifestError> {
        for (name, variable) in &file.variables {
            if !variables::is_valid_name(name.get_ref()) {
                return self.refuse(
                    name.span(),
                    format!("variable name '{}' must be lower snake case", name.get_ref()),
                );
            }
            if variable.required == variable.default.is_some() {
                return self.refuse(
                    name.span(),
                    format!("variable '{}' needs either a default or required = true", name.get_ref()),
                );
            }
        }
        Ok(())
    }

    fn triggers(&self, file: &File) -> Result<(), ManifestError> {
        let mut seen = BTreeSet::new();
        for trigger in &file.trigger.http {
            let id = trigger.component.get_ref();
            if !file.component.keys().any(|k| k.get_ref() == id) {
                return self.refuse(
                    trigger.component.span(),
                    format!("the trigger names component '{id}', which the manifest does not define"),
                );
            }
            let span = trigger.route.span();
            match trigger.route.get_ref() {
                RoutePattern::Private(private) if private.private => {}
                RoutePattern::Private(_) => {
                    return self.refuse(span, "a route is a path or { private = true }");
                }
                RoutePattern::Path(pattern) => {
                    if let Err(why) = route::Pattern::parse(pattern) {
                        return self.refuse(span, why);
                    }
                    if !seen.insert(pattern.clone()) {
                        return self.refuse(span, format!("route '{pattern}' is given twice"));
                    }
                }
            }
        }
        Ok(())
    }

    fn components(&self, file: &File) -> Result<(), ManifestError> {
        for component in file.component.values() {
            for template in component.variables.values() {
                self.defined(file, template)?;
            }
            for host in &component.allowed_outbound_hosts {
                self.defined(file, host)?;
                // What a template comes to is known when the application starts.
                let template = host.get_ref().contains("{{");
                if let Some(why) = outbound::HostPattern::parse(host.get_ref()).err().filter(|_| !template) {
                    return self.refuse(host.span(), why);
                }
            }
            for (name, dependency) in &component.dependencies {
                self.dependency(file, name.span(), name.get_ref(), dependency)?;
            }
        }
        Ok(())
    }

    /// That a template can be read, and uses variables that there are.
    fn defined(&self, file: &File, template: &toml::Spanned<String>) -> Result<(), ManifestError> {
        let names = match variables::Template::parse(template.get_ref()) {
            Ok(parsed) => parsed.names().map(str::to_owned).collect::<Vec<_>>(),
            Err(why) => return self.refuse(template.span(), why),
        };
        match names.iter().find(|n| !file.variables.keys().any(|k| k.get_ref() == *n)) {
            Some(missing) => self.refuse(
                template.span(),
                format!("the template uses '{missing}', which [variables] does not define"),
            ),
            None => Ok(()),
        }
    }

    fn dependency(
        &self,
        file: &File,
        span: Range<usize>,
        name: &str,
        dependency: &Dependency,
    ) -> Result<(), ManifestError> {
        match (&dependency.path, &dependency.component) {
            (Some(_), None) => {}
            (None, Some(id)) if file.component.keys().any(|k| k.get_ref() == id.get_ref()) => {}
            (None, Some(id)) => {
                return self.refuse(
                    id.span(),
                    format!(
                        "dependency '{name}' names component '{}', which the manifest does not define",
                        id.get_ref()
                    ),
                );
            }
            _ => {
                return self.refuse(
                    span,
                    format!("dependency '{name}' needs one of path = \"…\" and component = \"…\""),
                );
            }
        }
        if let Inherit::Some(keys) = &dependency.inherit_configuration
            && let Some(unknown) = keys.iter().find(|k| !INHERITABLE.contains(&k.as_str()))
        {
            return self.refuse(
                span,
                format!("'{unknown}' cannot be inherited; the choices are {}", INHERITABLE.join(", ")),
            );
        }
        Ok(())
    }
}
