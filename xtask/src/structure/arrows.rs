//! Arrows between our crates point inward only: examples → bindings → adapters → core.

use std::path::Path;

use super::graph::{Graph, Package};

/// A storey of the house; a crate's folder says where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storey {
    Core,
    Adapter,
    Binding,
    Example,
    Chores,
}

impl Storey {
    fn of(folder: &Path) -> Option<Self> {
        let mut parts = folder.iter().map(|part| part.to_str().unwrap_or_default());
        match (parts.next()?, parts.next(), parts.next()) {
            ("core", None, None) => Some(Self::Core),
            ("adapters", Some(_), None) => Some(Self::Adapter),
            ("bindings", Some(_), None) => Some(Self::Binding),
            ("examples", Some(_), None) => Some(Self::Example),
            ("xtask", None, None) => Some(Self::Chores),
            _ => None,
        }
    }

    /// Whether a crate here may name one of `other` in its manifest, its tests included.
    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Core | Self::Chores => false,
            Self::Adapter => other == Self::Core,
            Self::Binding | Self::Example => matches!(other, Self::Core | Self::Adapter | Self::Binding),
        }
    }
}

/// Every arrow that points outward or sideways, and every crate without a place.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    graph.members().flat_map(|package| check_package(package, graph)).collect()
}

fn check_package(package: &Package, graph: &Graph) -> Vec<String> {
    let Some(folder) = package.folder.as_deref() else { return Vec::new() };
    let Some(storey) = Storey::of(folder) else {
        return vec![format!("{} is in {}, which is no place of the house", package.name, folder.display())];
    };
    let others = package.neighbours.iter().filter(|other| other.as_path() != folder);
    others
        .filter(|other| !Storey::of(other).is_some_and(|other| storey.may_use(other)))
        .map(|other| {
            let name = graph.members().find(|member| member.folder.as_ref() == Some(other)).map(|member| &*member.name);
            format!("{} ({}) depends on {} ({})", package.name, folder.display(), name.unwrap_or("?"), other.display())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(crates: &[(&str, &[&str])]) -> Graph {
        let package = |(folder, neighbours): &(&str, &[&str])| Package {
            name: format!("dw-{}", folder.rsplit('/').next().unwrap()),
            folder: Some(folder.into()),
            neighbours: neighbours.iter().map(Into::into).collect(),
            ..Package::default()
        };
        Graph { packages: crates.iter().map(package).collect(), ..Graph::default() }
    }

    #[test]
    fn arrows_that_point_inward_are_fine() {
        let fine = graph(&[
            ("core", &["core"]),
            ("adapters/sqlite", &["core"]),
            ("bindings/rust", &["core", "adapters/sqlite"]),
            ("bindings/cli", &["bindings/rust"]),
            ("examples/portal", &["bindings/rust"]),
            ("xtask", &[]),
        ]);
        assert_eq!(check(&fine), Vec::<String>::new());
    }

    #[test]
    fn arrows_that_point_outward_or_sideways_are_found() {
        for (from, to) in [
            ("core", "adapters/sqlite"),
            ("core", "bindings/rust"),
            ("adapters/web", "adapters/sqlite"),
            ("adapters/web", "bindings/rust"),
            ("bindings/rust", "examples/portal"),
            ("bindings/rust", "xtask"),
            ("examples/portal", "examples/other"),
            ("xtask", "core"),
        ] {
            let name = |folder: &str| format!("dw-{} ({folder})", folder.rsplit('/').next().unwrap());
            let found = check(&graph(&[(from, &[to]), (to, &[])]));
            assert_eq!(found, [format!("{} depends on {}", name(from), name(to))]);
        }
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        for folder in ["tools/x", "adapters", "adapters/a/b", "core/macros"] {
            assert_eq!(check(&graph(&[(folder, &[])])).len(), 1, "{folder}");
        }
        assert_eq!(check(&graph(&[("core", &["core/macros"])])).len(), 1, "nor may anybody depend on one");
    }
}
