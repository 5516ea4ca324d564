//! The mail folder: what came for an address, and the link in it.

use std::path::{Path, PathBuf};

/// A mail file.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All mails of a folder in the order of their names, which begin with their time.
pub(crate) fn mails(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    let read = |path: PathBuf| Mail {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap().replace("=\r\n", "").replace("=3D", "="),
    };
    paths.into_iter().map(read).collect()
}

/// Those to one address.
pub(crate) fn mails_to(folder: &Path, address: &str) -> Vec<Mail> {
    mails(folder).into_iter().filter(|mail| mail.to().eq_ignore_ascii_case(address)).collect()
}

impl Mail {
    /// What it is for: its file is `<time>-<kind>-<number>.eml`.
    pub(crate) fn kind(&self) -> &str {
        let (_, rest) = self.name.split_once('-').unwrap_or_else(|| panic!("{}", self.name));
        rest.rsplit_once('-').map_or(rest, |(kind, _)| kind)
    }

    pub(crate) fn to(&self) -> &str {
        let to = self.text.lines().find_map(|line| line.strip_prefix("To: "));
        to.unwrap_or_else(|| panic!("{} is to nobody: {}", self.name, self.text))
    }

    /// The token of the first link in it.
    pub(crate) fn token(&self) -> String {
        let (_, rest) = self.text.split_once("token=").unwrap_or_else(|| panic!("no link: {}", self.text));
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
    }

    /// Whether it was written to its end.
    pub(crate) fn is_whole(&self) -> bool {
        let boundary = self.text.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next());
        boundary.is_some_and(|boundary| self.text.trim_end().ends_with(&format!("--{boundary}--")))
    }
}
