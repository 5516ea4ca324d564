//! Ids of requirements: the one that a test's name begins with leads to a row in docs/.

use std::collections::BTreeSet;

use super::tree::TextFile;

/// Every test whose name begins with an id that no table of docs/ has a row for.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let pages = files.iter().filter(|file| file.path.starts_with("docs/"));
    let rows: BTreeSet<_> = pages.flat_map(|page| page.text.lines().filter_map(row)).collect();
    let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
    let tests = sources.flat_map(|file| file.text.lines().filter_map(test).map(|name| (file.path.as_str(), name)));
    let lost = tests.filter_map(|(path, name)| Some((path, name, id(name)?))).filter(|(_, _, id)| !rows.contains(id));
    lost.map(|(path, name, id)| format!("{path}: {name}: {id} has no row in docs/")).collect()
}

/// The id in the first cell of a table's row.
fn row(line: &str) -> Option<String> {
    let cell = line.strip_prefix("| ")?.split(" | ").next()?.trim();
    id(&cell.to_ascii_lowercase())
}

fn test(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
    name.split(['(', '<']).next()
}

/// `GU4` of `gu4_only_a_completed_login_clears_the_count`: one or two letters, then digits, then an end.
fn id(name: &str) -> Option<String> {
    let id = name.split('_').next()?;
    let digits = id.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = id.len() - digits.len();
    let fits = (1..=2).contains(&letters) && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| id.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn an_id_without_a_row_is_named_with_its_test() {
        let files = [
            file("docs/behaviour.md", "| id | rule |\n|---|---|\n| L1 | One field |\n"),
            file("core/src/a.rs", "    async fn l1_both_names() {}\n    fn l2_programs() {}\n    fn of_no_id() {}\n"),
        ];
        assert_eq!(check(&files), ["core/src/a.rs: l2_programs: L2 has no row in docs/"]);
    }

    #[test]
    fn names_that_only_look_like_ids_are_none() {
        for name in ["sha256_is_known", "l_1", "of_50_logins", "x", "", "ab12c_d"] {
            assert_eq!(id(name), None, "{name}");
        }
        assert_eq!(id("gu15_unverified_counts").as_deref(), Some("GU15"));
    }
}
