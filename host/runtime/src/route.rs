//! Spin's HTTP routes: exact, with parameters, and wildcards; the most specific wins.

use std::cmp::Ordering;

/// One route's pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    wildcard: bool,
    raw: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// What a path matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The pattern as written.
    pub pattern: String,
    /// The part of the path under a trailing `/...`, with its leading '/'; empty for an exact route.
    pub trailing: String,
    /// Values of the `:name` segments.
    pub parameters: Vec<(String, String)>,
}

impl Pattern {
    /// Reads `/exact/path`, `/with/:parameter` or `/prefix/...`.
    ///
    /// # Errors
    /// A sentence about what is wrong with the route.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(format!("route '{raw}' must start with '/'"));
        };
        let mut segments: Vec<&str> = rest.split('/').collect();
        let wildcard = segments.last() == Some(&"...");
        if wildcard {
            segments.pop();
        }
        if segments.last() == Some(&"") {
            segments.pop();
        }
        let segments = segments
            .into_iter()
            .map(|s| match s.strip_prefix(':') {
                _ if s.contains("...") => Err(format!("route '{raw}' may have '...' at its end only")),
                Some("") => Err(format!("route '{raw}' has a parameter without a name")),
                Some(name) => Ok(Segment::Parameter(name.to_owned())),
                None => Ok(Segment::Literal(s.to_owned())),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { segments, wildcard, raw: raw.to_owned() })
    }

    /// What a path matches, if it does.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Match> {
        let mut parameters = Vec::new();
        let rest = self.walk(path, |name, value| parameters.push((name.to_owned(), value.to_owned())))?;
        let trailing = if rest.is_empty() { String::new() } else { format!("/{rest}") };
        Some(Match { pattern: self.raw.clone(), trailing, parameters })
    }

    /// Whether a path matches. Allocates nothing.
    #[must_use]
    pub fn is_match(&self, path: &str) -> bool {
        self.walk(path, |_, _| {}).is_some()
    }

    /// What is left of a path after the pattern's segments; none where it does not match. `found` gets each parameter.
    fn walk<'a>(&self, path: &'a str, mut found: impl FnMut(&str, &'a str)) -> Option<&'a str> {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        for segment in &self.segments {
            let (head, tail) = rest.split_once('/').map_or((rest, ""), |(h, t)| (h, t));
            match segment {
                Segment::Literal(literal) if literal == head => {}
                Segment::Parameter(name) if !head.is_empty() => found(name, head),
                _ => return None,
            }
            rest = tail;
        }
        (self.wildcard || rest.is_empty()).then_some(rest)
    }

    /// Literal before parameter before wildcard, segment by segment.
    fn specificity(&self, other: &Self) -> Ordering {
        for pair in self.segments.iter().zip(&other.segments) {
            match pair {
                (Segment::Literal(_), Segment::Parameter(_)) => return Ordering::Less,
                (Segment::Parameter(_), Segment::Literal(_)) => return Ordering::Greater,
                _ => {}
            }
        }
        self.wildcard.cmp(&other.wildcard).then(other.segments.len().cmp(&self.segments.len()))
    }
}

/// The routes of an application, most specific first.
#[derive(Clone, Debug)]
pub struct Routes<T>(Vec<(Pattern, T)>);

impl<T> Routes<T> {
    /// Orders the routes.
    #[must_use]
    pub fn new(mut routes: Vec<(Pattern, T)>) -> Self {
        routes.sort_by(|a, b| a.0.specificity(&b.0));
        Self(routes)
    }

    /// The route for `path`, and what it matched.
    pub fn find(&self, path: &str) -> Option<(&T, Match)> {
        self.0.iter().find_map(|(pattern, target)| Some((target, pattern.matches(path)?)))
    }

    /// Every pattern as written with its target.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(pattern, target)| (pattern.raw.as_str(), target))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Routes};

    #[test]
    fn the_most_specific_route_wins() {
        let routes = Routes::new(
            ["/...", "/a/...", "/a/b", "/a/:id", "/a/:id/c", "/"]
                .into_iter()
                .map(|p| (Pattern::parse(p).expect("a route"), p))
                .collect(),
        );
        for (path, expected, trailing) in [
            ("/", "/", ""),
            ("/a/b", "/a/b", ""),
            ("/a/x", "/a/:id", ""),
            ("/a/x/c", "/a/:id/c", ""),
            ("/a/x/d", "/a/...", "/x/d"),
            ("/a", "/a/...", ""),
            ("/z/z", "/...", "/z/z"),
        ] {
            let (found, matched) = routes.find(path).expect(path);
            assert_eq!((*found, matched.trailing.as_str()), (expected, trailing), "{path}");
        }
        assert_eq!(
            routes.find("/a/7").expect("a parameter").1.parameters,
            vec![("id".to_owned(), "7".to_owned())]
        );
    }

    #[test]
    fn bad_routes_are_refused() {
        for bad in ["", "a", "/.../a", "/:"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
