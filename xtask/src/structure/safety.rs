//! Unsafe code: in the binding for C alone, where each block says why it is sound. Every crate inherits the lints that
//! forbid it elsewhere.

use super::graph::Graph;
use super::tree::TextFile;

/// The one folder whose crate may be unsafe.
const ALLOWED: &str = "bindings/c/";
// In pieces, so that this file doesn't find itself.
const WORD: &str = concat!("un", "safe");
const FORBIDDEN: &str = concat!("un", "safe_code = \"forbid\"");

/// Every line with unsafe code, every crate without the workspace's lints, and a workspace whose lints allow it.
pub(super) fn check(graph: &Graph, files: &[TextFile]) -> Vec<String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| &*file.text);
    let mut found: Vec<_> = files.iter().filter(|file| file.path.ends_with(".rs")).flat_map(lines).collect();
    let folders = graph.members().filter_map(|member| member.folder.as_ref()).map(|folder| folder.to_string_lossy());
    let manifests =
        folders.map(|folder| if folder.is_empty() { "Cargo.toml".to_owned() } else { format!("{folder}/Cargo.toml") });
    let inherits = |path: &String| text(path).is_some_and(|manifest| manifest.contains("[lints]\nworkspace = true"));
    let bare = manifests.filter(|path| !path.starts_with(ALLOWED) && !inherits(path));
    found.extend(bare.map(|path| format!("{path} doesn't inherit the workspace's lints")));
    if !text("Cargo.toml").is_some_and(|manifest| manifest.contains(FORBIDDEN)) {
        found.push("Cargo.toml doesn't forbid it in every crate".to_owned());
    }
    found.sort();
    found
}

/// The lines of a source file in which the word stands as code, not in a comment or behind another letter.
fn lines(file: &TextFile) -> Vec<String> {
    if file.path.starts_with(ALLOWED) {
        return Vec::new();
    }
    let is_code = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '"')).any(|word| word == WORD)
    };
    let numbered = file.text.lines().enumerate().filter(|(_, line)| is_code(line));
    numbered.map(|(at, _)| format!("{}:{}: not outside of {ALLOWED}", file.path, at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::Package;
    use super::*;

    fn graph(folders: &[&str]) -> Graph {
        let member = |folder: &&str| Package { folder: Some(folder.into()), ..Package::default() };
        Graph { packages: folders.iter().map(member).collect(), ..Graph::default() }
    }

    fn file(path: &str, text: String) -> TextFile {
        TextFile { path: path.to_owned(), text }
    }

    fn root() -> TextFile {
        file("Cargo.toml", format!("[workspace.lints.rust]\n{FORBIDDEN}\n"))
    }

    #[test]
    fn fa8_a_line_of_it_is_found_outside_of_the_binding_for_c() {
        let code = format!("fn f() {{\n    {WORD} {{ g() }}\n}}\n// {WORD} words are fine, and {WORD}_names\n");
        let files = [root(), file("core/src/a.rs", code.clone()), file("bindings/c/src/lib.rs", code)];
        assert_eq!(check(&graph(&[]), &files), ["core/src/a.rs:2: not outside of bindings/c/"]);
        let words = [root(), file("core/src/a.rs", format!("// {WORD}\nfn not_{WORD}() {{ \"{WORD}-inline\" }}\n"))];
        assert_eq!(check(&graph(&[]), &words), Vec::<String>::new());
    }

    #[test]
    fn fa8_a_crate_that_does_not_inherit_the_lints_is_found_and_so_is_a_workspace_that_allows_it() {
        let manifest = |path: &str, lints: &str| file(path, format!("[package]\n{lints}"));
        let crates = graph(&["core", "adapters/web", "bindings/c"]);
        let files = [
            file("Cargo.toml", "[workspace.lints.rust]\n".to_owned()),
            manifest("core/Cargo.toml", "[lints]\nworkspace = true\n"),
            manifest("adapters/web/Cargo.toml", ""),
            manifest("bindings/c/Cargo.toml", ""),
        ];
        let expected = [
            "Cargo.toml doesn't forbid it in every crate",
            "adapters/web/Cargo.toml doesn't inherit the workspace's lints",
        ];
        assert_eq!(check(&crates, &files), expected);
    }
}
