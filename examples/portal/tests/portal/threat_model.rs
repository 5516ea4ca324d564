//! The threat model beside the tree: every row is there, and every test that it names exists.

use std::collections::BTreeSet;
use std::path::Path;

use crate::process::root;

/// The rows that this build covers.
fn covered() -> BTreeSet<String> {
    let areas: [(&str, &[u8]); 11] = [
        ("F", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17]),
        ("GU", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        ("EX", &[1, 2, 3, 4, 5]),
        ("PW", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("NA", &[1, 2, 3, 4, 5, 6]),
        ("SE", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]),
        ("OT", &[1, 2, 3, 4]),
        ("PH", &[1, 3, 4, 5]),
        ("RE", &[1, 2, 3, 4, 5]),
        ("KP", &[1, 2, 3, 4, 5]),
        ("FA", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ];
    let of = |(area, numbers): &(&str, &[u8])| numbers.iter().map(|n| format!("{area}{n}")).collect::<Vec<_>>();
    areas.iter().flat_map(of).chain(["AD1", "CF1", "CF2", "IN1"].map(str::to_owned)).collect()
}

/// The id and the named tests of each row.
fn rows() -> Vec<(String, Vec<String>)> {
    let page = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let cells = page.lines().map(|line| line.split(" | ").collect::<Vec<_>>()).filter(|cells| cells.len() == 4);
    let rows = cells.map(|cells| {
        let id = cells[0].trim_start_matches("| ").to_owned();
        (id, cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect())
    });
    rows.filter(|(id, _)| id.ends_with(|c: char| c.is_ascii_digit())).collect()
}

/// The names of all functions in the tree's Rust files.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["target", "node_modules"].contains(&name) && !name.starts_with('.') {
            functions(&path, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let declared = text.lines().filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next());
            found.extend(declared.map(str::to_owned));
        }
    }
}

#[test]
fn every_row_of_the_threat_model_is_there_once() {
    let ids: Vec<_> = rows().into_iter().map(|(id, _)| id).collect();
    let unique: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    assert_eq!(unique, covered());
}

#[test]
fn every_test_that_the_threat_model_names_is_in_the_tree() {
    let mut known = BTreeSet::new();
    functions(root(), &mut known);
    for (id, tests) in rows() {
        assert!(!tests.is_empty(), "{id} names no test");
        let missing: Vec<_> = tests.iter().filter(|test| !known.contains(*test)).collect();
        assert!(missing.is_empty(), "{id}: {missing:?}");
    }
}
