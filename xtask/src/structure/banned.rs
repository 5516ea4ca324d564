//! What must not be among the dependencies: a runtime, a web framework or a database below core, a second TLS anywhere.

use std::collections::{HashMap, VecDeque};

use super::graph::{Graph, Package};

/// Core knows no runtime, no web, no database, no TLS.
const NOT_IN_CORE: &[&str] = &[
    "async-std",
    "axum",
    "hyper",
    "lettre",
    "libsqlite3-sys",
    "mio",
    "openssl",
    "redis",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tower",
];
const NOWHERE: &[&str] = &["native-tls", "openssl", "openssl-sys"];

/// Every way from a crate of ours to something that it mustn't reach. What only tests need is left out.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let core = graph.members().filter(|package| package.name == "doorwarden-core");
    let below_core = core.flat_map(|core| ways(graph, core, NOT_IN_CORE));
    let anywhere = graph.members().flat_map(|member| ways(graph, member, NOWHERE));
    let mut found: Vec<_> = below_core.chain(anywhere).collect();
    found.sort();
    found.dedup();
    found
}

/// The shortest way from `start` to each package of these names: `doorwarden-core → x → tokio`.
fn ways(graph: &Graph, start: &Package, names: &[&str]) -> Vec<String> {
    let mut from: HashMap<&str, &str> = HashMap::new();
    let (mut queue, mut found) = (VecDeque::from([start]), Vec::new());
    while let Some(package) = queue.pop_front() {
        if names.contains(&&*package.name) {
            found.push(way(graph, start, package, &from));
        }
        for used in package.uses.iter().filter_map(|id| graph.by_id(id)) {
            if used.id != start.id && !from.contains_key(&*used.id) {
                from.insert(&used.id, &package.id);
                queue.push_back(used);
            }
        }
    }
    found
}

fn way(graph: &Graph, start: &Package, end: &Package, from: &HashMap<&str, &str>) -> String {
    let back = std::iter::successors(Some(end), |package| graph.by_id(from.get(&*package.id)?));
    let mut names: Vec<_> = back.map(|package| &*package.name).collect();
    names.reverse();
    debug_assert_eq!(names.first(), Some(&&*start.name));
    names.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a: b c` says that a uses b and c; all but those of others are ours.
    fn graph(lines: &[&str]) -> Graph {
        let package = |line: &&str| {
            let (name, uses) = line.split_once(':').unwrap();
            let uses = uses.split_whitespace().map(str::to_owned).collect();
            let folder = name.starts_with("doorwarden").then(|| name.into());
            Package { id: name.to_owned(), name: name.to_owned(), folder, uses, ..Package::default() }
        };
        Graph { packages: lines.iter().map(package).collect(), ..Graph::default() }
    }

    #[test]
    fn a_runtime_below_core_is_found_with_the_way_to_it() {
        let found = check(&graph(&["doorwarden-core: a b", "a:", "b: a c", "c: tokio", "tokio:"]));
        assert_eq!(found, ["doorwarden-core → b → c → tokio"]);
    }

    #[test]
    fn a_runtime_outside_of_core_is_fine() {
        let fine =
            graph(&["doorwarden-core: a", "a:", "doorwarden-web: doorwarden-core tokio axum", "tokio:", "axum:"]);
        assert_eq!(check(&fine), Vec::<String>::new());
    }

    #[test]
    fn a_second_tls_is_found_anywhere_and_circles_end() {
        let found = check(&graph(&[
            "doorwarden-mail: a",
            "a: b",
            "b: a native-tls",
            "native-tls: openssl-sys",
            "openssl-sys:",
        ]));
        let way = "doorwarden-mail → a → b → native-tls";
        assert_eq!(found, [way.to_owned(), format!("{way} → openssl-sys")]);
    }
}
