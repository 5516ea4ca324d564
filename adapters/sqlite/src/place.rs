//! Whether the file that was opened is still the one at its path.
//!
//! SQLite in WAL mode goes on with a file that was moved away, while the next process starts an empty one in its place
//! and voids the log that both share: what either acknowledges is lost. So every write looks first.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::fault::Trouble;

/// A path and the file that it named when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    file: Arc<Path>,
    identity: (u64, u64),
}

impl Place {
    /// The file that is at the path now.
    pub(crate) fn of(file: Arc<Path>) -> Result<Self, Trouble> {
        let identity = identity(&file).map_err(Trouble::path("the file can't be looked at"))?;
        Ok(Self { file, identity })
    }

    /// Fails if the path names another file by now, or none.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        match identity(&self.file) {
            Ok(now) if now == self.identity => Ok(()),
            Ok(_) => Err(Trouble::Moved),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Trouble::Moved),
            Err(error) => Err(Trouble::path("the file can't be looked at")(error)),
        }
    }
}

#[cfg(unix)]
fn identity(file: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(file: &Path) -> io::Result<(u64, u64)> {
    // Elsewhere an open file can't be moved away.
    std::fs::metadata(file).map(|_| (0, 0))
}
