use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use doorwarden_web::Code;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of the page: code, and every status that it names.
fn page() -> Vec<(String, Vec<u16>)> {
    let page = std::fs::read_to_string(repository().join("docs/codes.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let statuses = cells[1].split([',', ' ']).filter_map(|status| status.parse().ok()).collect();
        assert_eq!(cells.len(), 5, "code, status, cause, cure: {row}");
        assert!(cells[2..4].iter().all(|cell| cell.len() > 5), "{row}");
        (cells[0].trim_matches('`').to_owned(), statuses)
    })
    .collect()
}

#[test]
fn the_page_lists_every_code_with_its_status_and_no_other() {
    let documented: BTreeMap<_, _> = page().into_iter().map(|(code, statuses)| (code, statuses[0])).collect();
    assert_eq!(documented.len(), page().len(), "a code is listed twice");
    let known: BTreeMap<_, _> = Code::ALL.iter().map(|code| (code.name().to_owned(), code.status().as_u16())).collect();
    assert_eq!(known.len(), Code::ALL.len());
    assert_eq!(documented, known);
}

#[test]
fn only_what_is_wrong_with_a_requests_form_has_several_statuses() {
    for (code, statuses) in page() {
        let expected = if code == "invalid_request" { vec![400, 405, 408, 413, 431] } else { vec![statuses[0]] };
        assert_eq!(statuses, expected, "{code}");
    }
}

/// The codes in the `code` methods of core's refusals, read from its source: its enums can't be listed from outside.
#[test]
fn every_code_of_cores_has_a_status() {
    let mut codes = BTreeSet::new();
    collect(&repository().join("core/src"), &mut codes);
    assert!(codes.contains("locked_out") && codes.len() > 20, "{codes:?}");
    // Why an imported hash isn't taken: said by the command alone.
    let of_the_command = ["hash_malformed", "hash_out_of_bounds", "hash_unsupported"].map(str::to_owned);
    let known = Code::ALL.iter().map(|code| code.name().to_owned()).chain(of_the_command);
    let known: BTreeSet<_> = known.collect();
    assert_eq!(codes.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, codes);
            continue;
        }
        let source = std::fs::read_to_string(&entry).unwrap();
        for block in source.split("pub const fn code(&self) -> &'static str {").skip(1) {
            let block = block.split("\n    }").next().unwrap();
            // The names in `unmet` are no codes of their own.
            if !block.contains("Self::MinLength") {
                codes.extend(block.split('"').skip(1).step_by(2).map(str::to_owned));
            }
        }
    }
}
