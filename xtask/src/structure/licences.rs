//! Licences of dependencies: each must be on the list, by its SPDX expression.

use super::graph::Graph;

/// What may be linked into somebody's closed program without more than a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package whose licence isn't on the list.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let packages = graph.packages.iter();
    packages
        .filter_map(|package| match package.licence.as_deref() {
            None => Some(format!("{} names no licence", package.name)),
            Some(licence) if allows(licence) => None,
            Some(licence) => Some(format!("{} is under {licence}", package.name)),
        })
        .collect()
}

/// Whether an SPDX expression can be met with what is allowed. One that can't be read is not.
fn allows(expression: &str) -> bool {
    // `MIT/Apache-2.0` is the old way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words };
    reader.any() == Some(true) && reader.words.is_empty()
}

/// any = all { "OR" all } ; all = one { "AND" one } ; one = "(" any ")" | licence [ "WITH" exception ]
struct Reader<'a> {
    words: &'a [&'a str],
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.skip("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.skip("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.skip("(") {
            let met = self.any()?;
            return self.skip(")").then_some(met);
        }
        let licence = self.word()?;
        if self.skip("WITH") {
            return Some(ALLOWED.contains(&&*format!("{licence} WITH {}", self.word()?)));
        }
        Some(ALLOWED.contains(&licence))
    }

    fn skip(&mut self, expected: &str) -> bool {
        match self.words {
            [first, rest @ ..] if *first == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Package;
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("GPL-3.0-only OR (MIT AND LGPL-2.1-or-later)", false),
            ("MIT OR Zlib AND GPL-3.0-only", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
            ("MIT WITH LLVM-exception", false),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT Apache-2.0", false),
        ] {
            assert_eq!(allows(expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_package_with_another_licence_or_none_is_found() {
        let package = |name: &str, licence: Option<&str>| Package {
            name: name.to_owned(),
            licence: licence.map(str::to_owned),
            ..Package::default()
        };
        let packages = vec![package("a", Some("MIT")), package("b", Some("AGPL-3.0-only")), package("c", None)];
        let found = check(&Graph { packages, ..Graph::default() });
        assert_eq!(found, ["b is under AGPL-3.0-only", "c names no licence"]);
    }
}
