//! Traces of the machine that something was written on: its folders, and the registry that it fetched from.

use super::tree::TextFile;

// In pieces, so that this file doesn't find itself.
const FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
const REGISTRIES: &[&str] = &[
    concat!("cra", "tes.io"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("npm", "mirror"),
    concat!("yarn", "pkg.com"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("proxy.go", "lang.org"),
];
/// How the lock file of cargo says "the public registry", on every machine.
const PUBLIC_SOURCE: &str = concat!("source = \"registry+https://github.com/rust-lang/cra", "tes.io-index\"");

/// Every line that names such a thing, once for each.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let lines = files.iter().flat_map(|file| file.text.lines().enumerate().map(move |(at, line)| (file, at + 1, line)));
    lines
        .flat_map(|(file, at, line)| {
            traces(&file.path, line.trim()).into_iter().map(move |trace| format!("{}:{at} names {trace}", file.path))
        })
        .collect()
}

fn traces<'a>(path: &str, line: &'a str) -> Vec<&'a str> {
    if path == "Cargo.lock" && line.starts_with("source = ") {
        return if line == PUBLIC_SOURCE { Vec::new() } else { vec![line] };
    }
    // npm writes the host that it fetched from, unless told to omit it.
    if path.ends_with("package-lock.json") && line.starts_with("\"resolved\": \"http") {
        return vec![line];
    }
    let words = REGISTRIES.iter().chain(FOLDERS);
    words
        .filter_map(|word| {
            let at = line.match_indices(word).map(|(at, _)| at).find(|at| stands_alone(line, *at, word))?;
            line.get(at..at + word.len())
        })
        .collect()
}

/// A folder counts where a path begins: `/x/` in `a/x/` and in an address is no folder of a machine.
fn stands_alone(line: &str, at: usize, word: &str) -> bool {
    let before = line.get(..at).unwrap_or_default();
    let begins = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*'));
    !word.starts_with('/') || begins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[TextFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn folders_of_a_machine_are_found_where_a_path_begins() {
        for folder in FOLDERS {
            for before in ["", "see ", "path=", "\"", "file://"] {
                let text = format!("fine\n{before}{folder}x\n");
                assert_eq!(found("docs/a.md", &text), [format!("docs/a.md:2 names {folder}")]);
            }
            for before in ["https://example.org", "examples", "${ROOT}", ".."] {
                assert_eq!(found("docs/a.md", &format!("{before}{folder}x")), Vec::<String>::new(), "{before}");
            }
        }
    }

    #[test]
    fn registries_are_found_anywhere() {
        for host in REGISTRIES {
            assert_eq!(found("a.toml", &format!("index = 'https://x.{host}/y'")), [format!("a.toml:1 names {host}")]);
        }
    }

    #[test]
    fn all_that_a_line_names_is_found() {
        let text = format!("{}a from https://{}", FOLDERS[1], REGISTRIES[0]);
        assert_eq!(found("x", &text), [REGISTRIES[0], FOLDERS[1]].map(|trace| format!("x:1 names {trace}")));
    }

    #[test]
    fn lock_files_name_the_public_registry_or_none() {
        assert_eq!(found("Cargo.lock", PUBLIC_SOURCE), Vec::<String>::new());
        assert_eq!(found("README.md", PUBLIC_SOURCE).len(), 1, "only there");
        assert_eq!(found("Cargo.lock", "source = \"sparse+https://mirror.example/\"").len(), 1);
        assert_eq!(found("a/package-lock.json", "  \"resolved\": \"https://mirror.example/x.tgz\",").len(), 1);
        assert_eq!(found("a/package-lock.json", "  \"integrity\": \"sha512-x\",").len(), 0);
    }
}
