//! A folder that takes each mail as one file.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::mail::{Mail, Mailer, Promptness};

use crate::message::compose;

/// How many names are tried for one mail before the folder counts as broken.
const NAMES: u64 = 100_000;

/// Of this process: a folder that is opened anew mustn't write over a draft of the one before it.
static DRAFTS: AtomicU64 = AtomicU64::new(1);

/// Writes each mail as `<time>-<kind>-<n>.eml` into a folder, whole or not at all, before the reply that promises it.
///
/// Files are made readable by their owner only: they hold links that open accounts.
#[derive(Debug)]
pub struct MailFolder {
    path: PathBuf,
    next: AtomicU64,
}

impl MailFolder {
    /// The folder at `path`, made if it isn't there.
    ///
    /// # Errors
    /// The folder can't be made, or is no folder.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Fault> {
        let path = path.into();
        make_private(&path).map_err(|source| Fault::lasting("making the mail folder", path.display(), source))?;
        Ok(Self { path, next: AtomicU64::new(1) })
    }

    /// Where the mails lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn store(&self, mail: &Mail) -> Result<(), Fault> {
        let fault = |source: std::io::Error| Fault::new("writing a mail into", self.path.display(), source);
        let message = compose(mail)?.formatted();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let draft = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = self.path.join(format!(".{}-{draft}.draft", std::process::id()));
        write_new(&draft, &message).map_err(fault)?;
        let published = self.publish(&draft, mail, first).map_err(fault);
        let removed = fs::remove_file(&draft).map_err(fault);
        published.and(removed)?;
        // The name must survive a crash, too.
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(fault)
    }

    /// Gives the finished draft its name; a hard link never replaces a file of another process.
    fn publish(&self, draft: &Path, mail: &Mail, first: u64) -> std::io::Result<()> {
        let time = mail.at.to_string().replace(['-', ':'], "");
        for n in first..first.saturating_add(NAMES) {
            match fs::hard_link(draft, self.path.join(format!("{time}-{}-{n}.eml", mail.kind.name()))) {
                Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {}
                done => return done,
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

/// Mails hold links that open accounts: nobody else looks into their folder.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[async_trait]
impl Mailer for MailFolder {
    async fn send(&self, mail: &Mail) -> Result<(), Fault> {
        // A small local file: quicker than handing it to another thread.
        self.store(mail)
    }

    fn promptness(&self) -> Promptness {
        Promptness::BeforeReply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorwarden_core::Timestamp;
    use doorwarden_core::email::Email;
    use doorwarden_core::mail::MailKind;
    use futures_executor::block_on;

    fn mail(subject: &str) -> Mail {
        Mail {
            kind: MailKind::VerifyEmail,
            from: "Example <no-reply@example.org>".to_owned(),
            to: Email::parse("ada@example.org").unwrap(),
            subject: subject.to_owned(),
            text: "Greetings: https://id.example.org/verify-email?token=dwl_x\n".to_owned(),
            html: "<p>Greetings</p>".to_owned(),
            at: Timestamp::from_millis(1_800_000_000_000),
            useless_from: None,
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_mail_is_one_whole_file_and_no_draft_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = MailFolder::open(scratch.path().join("deep/mail")).unwrap();
        block_on(folder.send(&mail("One"))).unwrap();
        block_on(folder.send(&mail("Two"))).unwrap();
        let names = files(folder.path());
        assert_eq!(names, ["20270115T080000Z-verify-email-1.eml", "20270115T080000Z-verify-email-2.eml"]);
        let text = fs::read_to_string(folder.path().join(&names[0])).unwrap();
        for part in [
            "Subject: One",
            "To: ada@example.org",
            "text/plain",
            "text/html",
            "\r\nGreetings: https://id.example.org/verify-email?token=dwl_x\r\n",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_encoded_and_arrives_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = MailFolder::open(scratch.path()).unwrap();
        block_on(folder.send(&Mail { text: "확인: https://id.example.org/".to_owned(), ..mail("확인") })).unwrap();
        let text = fs::read_to_string(scratch.path().join(&files(scratch.path())[0])).unwrap();
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("=ED=99=95") || text.contains("base64"), "{text}");
    }

    #[test]
    fn two_processes_never_overwrite_each_others_mails() {
        let scratch = tempfile::tempdir().unwrap();
        let (one, other) = (MailFolder::open(scratch.path()).unwrap(), MailFolder::open(scratch.path()).unwrap());
        block_on(one.send(&mail("One"))).unwrap();
        block_on(other.send(&mail("Other"))).unwrap();
        assert_eq!(files(scratch.path()).len(), 2);
    }

    #[test]
    fn re5_a_subject_with_line_breaks_adds_no_header() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = MailFolder::open(scratch.path()).unwrap();
        block_on(folder.send(&mail("Hello\r\nBcc: eve@example.org"))).unwrap();
        let text = fs::read_to_string(folder.path().join(&files(scratch.path())[0])).unwrap();
        assert!(!text.lines().any(|line| line.to_lowercase().starts_with("bcc:")), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_mail_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let folder = MailFolder::open(scratch.path()).unwrap();
        block_on(folder.send(&mail("One"))).unwrap();
        let path = scratch.path().join(&files(scratch.path())[0]);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_path_that_is_no_folder_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("mail");
        fs::write(&file, "").unwrap();
        let fault = MailFolder::open(&file).unwrap_err().to_string();
        assert!(fault.contains("making the mail folder") && fault.contains("mail"), "{fault}");
    }
}
