//! Rooms: a source file is one concept of readable length, and its name says which.

use super::tree::TextFile;

/// Longer than this is listed.
const LONG: usize = 500;
/// Longer than this fails.
const TOO_LONG: usize = 600;
/// Names under which anything could be.
const NO_ROOMS: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// Source files that grow out of their room.
pub(super) fn long(files: &[TextFile]) -> Vec<String> {
    lengths(files)
        .filter(|(_, lines)| (LONG + 1..=TOO_LONG).contains(lines))
        .map(|(path, lines)| format!("{path} has {lines} lines"))
        .collect()
}

/// Source files that are too long, or named after nothing.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let too_long = lengths(files)
        .filter(|(_, lines)| *lines > TOO_LONG)
        .map(|(path, lines)| format!("{path} has {lines} lines; {TOO_LONG} is the end"));
    let nameless = sources(files).filter(|file| file.path.split(['/', '.']).any(|part| NO_ROOMS.contains(&part)));
    too_long.chain(nameless.map(|file| format!("{} is named after no concept", file.path))).collect()
}

fn lengths(files: &[TextFile]) -> impl Iterator<Item = (&str, usize)> {
    sources(files).map(|file| (&*file.path, file.text.lines().count()))
}

fn sources(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| file.path.ends_with(".rs") && file.path.split('/').any(|part| part == "src"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> TextFile {
        TextFile { path: path.to_owned(), text: "x\n".repeat(lines) }
    }

    #[test]
    fn a_file_over_500_lines_is_listed_and_one_over_600_is_wrong() {
        let files = [file("core/src/a.rs", 500), file("core/src/b.rs", 501), file("core/src/c.rs", 600)];
        assert_eq!(long(&files), ["core/src/b.rs has 501 lines", "core/src/c.rs has 600 lines"]);
        assert_eq!(check(&files), Vec::<String>::new());
        let files = [file("core/src/a/d.rs", 601), file("core/tests/e.rs", 900), file("core/src/f.toml", 900)];
        assert_eq!(check(&files), ["core/src/a/d.rs has 601 lines; 600 is the end"]);
        assert_eq!(long(&files), Vec::<String>::new());
    }

    #[test]
    fn a_file_named_after_nothing_is_found() {
        for (path, wrong) in [
            ("core/src/utils.rs", true),
            ("core/src/helpers/x.rs", true),
            ("core/src/uncommon.rs", false),
            ("core/tests/common/mod.rs", false),
        ] {
            assert_eq!(check(&[file(path, 1)]).len(), usize::from(wrong), "{path}");
        }
    }
}
