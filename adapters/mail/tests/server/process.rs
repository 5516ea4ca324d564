//! The mail server's process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::certificates::Certificate;

/// How the server is started; it listens on a free port unless told otherwise.
#[derive(Default)]
pub(crate) struct Options<'a> {
    pub(crate) port: u16,
    pub(crate) encryption: Option<(&'static str, &'a Certificate)>,
    pub(crate) login: Option<&'static str>,
    pub(crate) hold: bool,
}

/// A running mail server; it is killed with the test, however that ends.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

/// What the server noted of a mail that it took, and the mail.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) note: String,
    pub(crate) text: String,
}

/// Looks until it is so; what never becomes so ends the test.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}")
}

fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/xtask/mail-server/bin/python");
    assert!(
        python.is_file(),
        "{} is missing, a Python with aiosmtpd: `cargo xtask test --only tests` makes it",
        python.display()
    );
    python
}

impl Server {
    /// Starts a server that puts its mails into `folder`, and waits until it listens.
    pub(crate) fn start(folder: &Path, options: &Options<'_>) -> Self {
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/server.py"));
        command.arg("--folder").arg(folder).args(["--port", &options.port.to_string()]);
        if let Some((encryption, Certificate { chain, key })) = options.encryption {
            command.args(["--encryption", encryption]).arg("--certificate").arg(chain).arg("--key").arg(key);
        }
        command.args(options.login.map(|login| ["--login", login]).iter().flatten());
        command.args(options.hold.then_some("--hold"));
        // It complains of every connection that a test lets fail.
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = said.next().unwrap_or_else(|| panic!("{}", std::fs::read_to_string(folder.join("log")).unwrap()));
        let line = line.unwrap();
        let port = line.strip_prefix("listening ").unwrap().parse().unwrap();
        Self { child, folder: folder.to_owned(), port }
    }

    /// The mails that lie in its folder, in the order of their files.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        taken(&self.folder)
    }

    /// Waits until it holds a mail whose text it has, and which it doesn't answer.
    pub(crate) fn wait_until_it_holds_one(&self) {
        until("a mail that is held", || self.folder.join("held").is_file().then_some(()));
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn taken(folder: &Path) -> Vec<Taken> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|e| e == "eml")).collect();
    files.sort();
    let read = |file: PathBuf| {
        let whole = std::fs::read_to_string(file).unwrap();
        let (note, text) = whole.split_once('\n').unwrap();
        Taken { note: note.to_owned(), text: text.to_owned() }
    };
    files.into_iter().map(read).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
