//! The seal key: 32 secret bytes from outside the store, without which nothing at rest opens.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use doorwarden_core::random::{SecureRandom, SystemRandom};
use doorwarden_core::seal::SealKeys;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const LENGTH: usize = 32;

/// Where a secret comes from: never the configuration file itself, since that is shown, copied and committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum SecretSource {
    /// A file: `file:PATH`; a relative path begins beside the configuration file.
    File(String),
    /// An environment variable: `env:NAME`.
    Env(String),
}

impl SecretSource {
    /// Reads `file:PATH` or `env:NAME`.
    ///
    /// # Errors
    /// [`InvalidSecretSource`] for anything else; it never holds the text, which may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretSource> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::File(path.to_owned())),
            Some(("env", name)) if !name.is_empty() && name.bytes().all(plain) => Ok(Self::Env(name.to_owned())),
            _ => Err(InvalidSecretSource),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}

impl From<SecretSource> for String {
    fn from(source: SecretSource) -> Self {
        source.to_string()
    }
}

impl TryFrom<String> for SecretSource {
    type Error = InvalidSecretSource;

    fn try_from(text: String) -> Result<Self, InvalidSecretSource> {
        Self::parse(&text)
    }
}

/// The text doesn't say where a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place of a secret: allowed is file:PATH or env:NAME, never the secret itself")]
pub struct InvalidSecretSource;

/// The seal key can't be used: what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeyError {
    /// The file can't be read or made.
    #[error("seal key {}: {source}", .path.display())]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An older key's file isn't there; older keys are never made.
    #[error("seal key {}: no such file: restore it, or remove it from store.seal_keys_old", .path.display())]
    OldMissing {
        /// The file.
        path: PathBuf,
    },
    /// The file is a directory, a socket or the like.
    #[error("seal key {}: not a regular file", .path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("seal key {}: others can read it (mode {mode:04o}): chmod 600 {}", .path.display(), .path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file doesn't hold 32 bytes.
    #[error("seal key {}: not exactly 32 bytes: restore the right file, or for a new installation remove it to have one made", .path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
    },
    /// The environment variable isn't set.
    #[error(
        "seal key env:{name}: the variable isn't set: set it to 32 random bytes in base64 or hexadecimal, such as `openssl rand -base64 32` prints"
    )]
    EnvMissing {
        /// The variable.
        name: String,
    },
    /// The environment variable doesn't hold 32 bytes.
    #[error(
        "seal key env:{name}: not 32 bytes in base64 or hexadecimal: set it to what `openssl rand -base64 32` prints"
    )]
    EnvMalformed {
        /// The variable.
        name: String,
    },
    /// The operating system gave no random bytes for a new key.
    #[error("making the seal key: {0}")]
    NoChance(doorwarden_core::error::Fault),
}

/// Loads the current key, making its file if there is none, and the older ones; relative paths begin at `base`.
///
/// # Errors
/// [`SealKeyError`] says what is wrong and what to do.
pub fn load_seal_keys(current: &SecretSource, old: &[SecretSource], base: &Path) -> Result<SealKeys, SealKeyError> {
    let current = load(current, base, Absent::Make)?;
    let old = old.iter().map(|source| load(source, base, Absent::Refuse)).collect::<Result<Vec<_>, _>>()?;
    let bytes: Zeroizing<Vec<[u8; LENGTH]>> = Zeroizing::new(old.iter().map(|key| **key).collect());
    Ok(SealKeys::new(&current, &bytes))
}

type KeyBytes = Zeroizing<[u8; LENGTH]>;

/// What happens to a key file that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Refuse,
}

fn load(source: &SecretSource, base: &Path, absent: Absent) -> Result<KeyBytes, SealKeyError> {
    match source {
        SecretSource::Env(name) => {
            let text =
                std::env::var(name).map(Zeroizing::new).map_err(|_| SealKeyError::EnvMissing { name: name.clone() })?;
            decode(&text).ok_or_else(|| SealKeyError::EnvMalformed { name: name.clone() })
        }
        SecretSource::File(path) => {
            let path = base.join(path);
            match File::open(&path) {
                Ok(file) => read(&file, &path),
                Err(source) if source.kind() == io::ErrorKind::NotFound && absent == Absent::Make => make(&path),
                Err(source) if source.kind() == io::ErrorKind::NotFound => Err(SealKeyError::OldMissing { path }),
                Err(source) => Err(SealKeyError::Unreachable { path, source }),
            }
        }
    }
}

/// 64 hexadecimal digits, or base64 in either alphabet with or without padding.
fn decode(text: &str) -> Option<KeyBytes> {
    use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
    let text = text.trim();
    let unpadded = text.trim_end_matches('=').as_bytes();
    let decoded = match text.len() {
        64 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
        _ => BASE64_NOPAD.decode(unpadded).or_else(|_| BASE64URL_NOPAD.decode(unpadded)),
    };
    let decoded = Zeroizing::new(decoded.ok()?);
    decoded.as_slice().try_into().ok().map(Zeroizing::new)
}

fn read(file: &File, path: &Path) -> Result<KeyBytes, SealKeyError> {
    let path_of = || path.to_owned();
    let unreachable = |source| SealKeyError::Unreachable { path: path.to_owned(), source };
    // The open file is asked, not its name: the name may mean another file by now.
    let metadata = file.metadata().map_err(unreachable)?;
    if !metadata.is_file() {
        return Err(SealKeyError::NotAFile { path: path_of() });
    }
    refuse_others(&metadata, path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    let most = u64::try_from(LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(unreachable)?;
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| SealKeyError::WrongLength { path: path_of() })
}

#[cfg(unix)]
fn refuse_others(metadata: &std::fs::Metadata, path: &Path) -> Result<(), SealKeyError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SealKeyError::ReadableByOthers { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_others(_: &std::fs::Metadata, _: &Path) -> Result<(), SealKeyError> {
    Ok(())
}

/// Makes the file whole or not at all; of several processes that make it at once, all get the key of the first.
fn make(path: &Path) -> Result<KeyBytes, SealKeyError> {
    let unreachable = |source| SealKeyError::Unreachable { path: path.to_owned(), source };
    let mut key = Zeroizing::new([0; LENGTH]);
    SystemRandom.fill(key.as_mut()).map_err(SealKeyError::NoChance)?;
    let mut suffix = [0; 8];
    SystemRandom.fill(&mut suffix).map_err(SealKeyError::NoChance)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", u64::from_be_bytes(suffix)));
    let draft = PathBuf::from(draft);
    let written = write_new(&draft, key.as_ref()).and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    match written {
        Ok(()) => removed.and_then(|()| sync_folder(path)).map_err(unreachable).map(|()| key),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            read(&File::open(path).map_err(unreachable)?, path)
        }
        Err(source) => Err(unreachable(source)),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A key that data was sealed with must not vanish with the power.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SecretSource {
        SecretSource::File(name.to_owned())
    }

    fn refused(name: &str, base: &Path, absent: Absent) -> String {
        load(&file(name), base, absent).unwrap_err().to_string().replace(&*base.to_string_lossy(), "…")
    }

    #[cfg(unix)]
    fn with_mode(path: &Path, bytes: &[u8], mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_missing_key_is_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let made = load(&file("a.key"), folder.path(), Absent::Make).unwrap();
        assert_ne!(*made, [0; 32]);
        assert_eq!(load(&file("a.key"), folder.path(), Absent::Refuse).unwrap(), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn fa6_a_key_is_made_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        load(&file("a.key"), folder.path(), Absent::Make).unwrap();
        let mode = std::fs::metadata(folder.path().join("a.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn twenty_that_make_it_at_once_have_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> =
                (0..20).map(|_| scope.spawn(|| load(&file("a.key"), folder.path(), Absent::Make).unwrap())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn fa6_a_key_that_group_or_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, shown) in [(0o640, "0640"), (0o604, "0604"), (0o620, "0620")] {
            with_mode(&folder.path().join("a.key"), &[1; 32], mode);
            let message = refused("a.key", folder.path(), Absent::Make);
            assert_eq!(message, format!("seal key …/a.key: others can read it (mode {shown}): chmod 600 …/a.key"));
        }
        with_mode(&folder.path().join("a.key"), &[1; 32], 0o400);
        assert!(load(&file("a.key"), folder.path(), Absent::Make).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_of_another_length_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 31, 33, 1_000] {
            with_mode(&folder.path().join("a.key"), &vec![1; length], 0o600);
            let message = refused("a.key", folder.path(), Absent::Make);
            assert!(message.starts_with("seal key …/a.key: not exactly 32 bytes"), "{message}");
            assert_eq!(std::fs::read(folder.path().join("a.key")).unwrap().len(), length);
        }
    }

    #[test]
    fn an_old_key_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let message = refused("old.key", folder.path(), Absent::Refuse);
        assert_eq!(message, "seal key …/old.key: no such file: restore it, or remove it from store.seal_keys_old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_missing_or_a_key_that_is_a_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = refused("none/a.key", folder.path(), Absent::Make);
        assert!(message.starts_with("seal key …/none/a.key: No such file"), "{message}");
        assert_eq!(refused("", folder.path(), Absent::Make), "seal key …/: not a regular file");
    }

    #[test]
    fn a_variable_holds_the_key_in_hexadecimal_or_base64() {
        let bytes = [0xfb; 32];
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        let base64 = data_encoding::BASE64.encode(&bytes);
        let url = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        for text in [&hex, &hex.to_uppercase(), &base64, &url, &format!("{base64}\n")] {
            assert_eq!(decode(text).as_deref(), Some(&bytes), "{text}");
        }
        for text in
            ["", "fb", &hex[1..], &base64[4..], "not base64 at all, but of exactly sixty-four characters, as hex is"]
        {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_what_to_do() {
        let source = SecretSource::Env("DOORWARDEN_TEST_NO_SUCH_VARIABLE".to_owned());
        let message = load(&source, Path::new(""), Absent::Make).unwrap_err().to_string();
        assert!(
            message.starts_with("seal key env:DOORWARDEN_TEST_NO_SUCH_VARIABLE: the variable isn't set"),
            "{message}"
        );
    }

    #[test]
    fn keys_that_were_loaded_open_what_they_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let before = load_seal_keys(&file("a.key"), &[], folder.path()).unwrap();
        let sealed = before.seal(b"seed", "totp", b"ada", &SystemRandom).unwrap();
        let rotated = load_seal_keys(&file("b.key"), &[file("a.key")], folder.path()).unwrap();
        assert_eq!(rotated.open(&sealed, "totp", b"ada").unwrap().as_slice(), b"seed");
    }
}
