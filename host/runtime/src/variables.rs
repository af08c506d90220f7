//! Application variables and the templates over them.

use std::collections::BTreeMap;

use crate::manifest::Manifest;

/// Whether `name` may name a variable: lower snake case, starting with a letter.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.ends_with('_')
        && !name.contains("__")
}

/// A text with `{{ name }}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence about the unbalanced brace or the bad name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, tail) = after
                .split_once("}}")
                .ok_or_else(|| format!("template '{text}' has '{{{{' without '}}}}'"))?;
            let name = name.trim();
            if !is_valid_name(name) {
                return Err(format!("template '{text}' has the bad variable name '{name}'"));
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Name(name.to_owned()));
            rest = tail;
        }
        if rest.contains("}}") {
            return Err(format!("template '{text}' has '}}}}' without '{{{{'"));
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The variables it uses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    fn resolve(&self, values: &BTreeMap<String, String>) -> Option<String> {
        self.0.iter().try_fold(String::new(), |mut out, part| {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Name(name) => values.get(name)?,
            });
            Some(out)
        })
    }
}

/// A required variable that nobody set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("variable '{0}' is required; set it under [variables] of the node file")]
pub struct MissingVariable(pub String);

/// The application's variables: the manifest's defaults under the node's settings.
///
/// # Errors
/// When a required one is not set.
pub fn application_values(
    manifest: &Manifest,
    settings: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    manifest
        .variables
        .iter()
        .map(|(name, variable)| {
            let value = settings.get(name).or(variable.default.as_ref());
            value.map(|v| (name.clone(), v.clone())).ok_or_else(|| MissingVariable(name.clone()))
        })
        .collect()
}

/// A text with the application's variables put in; none where it is no template, or names what is not there.
pub(crate) fn resolved(text: &str, application: &BTreeMap<String, String>) -> Option<String> {
    Template::parse(text).ok()?.resolve(application)
}

/// What one component reads through `spin:variables`: its own names, resolved.
pub(crate) fn component_values(
    component: &crate::manifest::Component,
    application: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    component
        .variables
        .iter()
        .filter_map(|(name, template)| {
            let template = Template::parse(template.get_ref()).ok()?;
            Some((name.clone(), template.resolve(application)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Template;
    use std::collections::BTreeMap;

    #[test]
    fn templates_resolve() {
        let values = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b_c".to_owned(), "2".to_owned())]);
        for (text, expected) in [("plain", "plain"), ("{{a}}", "1"), ("x{{ a }}y{{ b_c }}", "x1y2")] {
            assert_eq!(Template::parse(text).expect("parses").resolve(&values).as_deref(), Some(expected));
        }
        for bad in ["{{a", "a}}", "{{ A }}", "{{}}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
