//! The text files of the repository, found without git: a machine that builds needn't have it.

use std::fs;
use std::path::Path;

use crate::command::Failed;

/// A file, by its path from the root with `/` between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// All text files below `root` that `.gitignore` leaves.
pub(super) fn text_files(root: &Path) -> Result<Vec<TextFile>, Failed> {
    let ignored = Ignored::parse(&fs::read_to_string(root.join(".gitignore")).unwrap_or_default())?;
    let mut files = Vec::new();
    collect(root, "", &ignored, &mut files)
        .map_err(|source| Failed::new(format!("the files of the repository can't be read: {source}")))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, ignored: &Ignored, files: &mut Vec<TextFile>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if path == ".git" || ignored.includes(&path) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), ignored, files)?;
        } else if kind.is_file()
            && let Some(text) = String::from_utf8(fs::read(entry.path())?).ok().filter(|text| !text.contains('\0'))
        {
            files.push(TextFile { path, text });
        }
    }
    Ok(())
}

/// The patterns of the root's `.gitignore`, in the few forms that it uses.
#[derive(Debug)]
struct Ignored(Vec<Pattern>);

#[derive(Debug)]
enum Pattern {
    /// `/target`, `/doorwarden.db*`: a path from the root, `*` at its end.
    Path { start: String, open: bool },
    /// `node_modules`: a name at any depth.
    Name(String),
}

impl Ignored {
    fn parse(text: &str) -> Result<Self, Failed> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }

    fn includes(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Path { start, open: true } => path.starts_with(start),
            Pattern::Path { start, open: false } => path == start,
            Pattern::Name(name) => path.rsplit('/').next() == Some(name),
        })
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, Failed> {
        let plain = line.trim_end_matches('/');
        let (start, open) = plain.strip_suffix('*').map_or((plain, false), |start| (start, true));
        match start.strip_prefix('/') {
            _ if start.contains(['*', '?', '[', '!', '\\']) => {}
            Some(start) => return Ok(Self::Path { start: start.to_owned(), open }),
            None if !open && !start.contains('/') => return Ok(Self::Name(start.to_owned())),
            None => {}
        }
        Err(Failed::new(format!("xtask can't read `{line}` in .gitignore: write /path, /start* or a name")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_ignores_is_ignored() {
        let ignored = Ignored::parse("# ours\n/target\nnode_modules/\n\n/doorwarden.db*\n").unwrap();
        for (path, expected) in [
            ("target", true),
            ("core/target", false),
            ("targets", false),
            ("a/b/node_modules", true),
            ("doorwarden.db-wal", true),
            ("docs/doorwarden.db", false),
        ] {
            assert_eq!(ignored.includes(path), expected, "{path}");
        }
    }

    #[test]
    fn a_pattern_that_is_not_understood_is_not_passed_over() {
        for line in ["*.log", "!kept", "a/b", "/a/*/b", "x*"] {
            assert!(Ignored::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn text_is_found_in_every_folder_and_nothing_else() {
        let root = std::env::temp_dir().join(format!("doorwarden-xtask-tree-{}", std::process::id()));
        for (path, bytes) in [
            (".gitignore", &b"/target\n"[..]),
            ("a/b/c.md", b"text"),
            ("picture", b"\xff\xfe"),
            ("zero", b"a\0b"),
            ("target/x.md", b"built"),
            (".git/config", b"git's"),
        ] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        let found = text_files(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.iter().map(|file| &*file.path).collect::<Vec<_>>(), [".gitignore", "a/b/c.md"]);
    }
}
