//! A folder with a configuration, and portals that run on it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Call, Reply};
use crate::mailbox::mails_to;

pub(crate) const PORTAL: &str = env!("CARGO_BIN_EXE_doorwarden-portal");
pub(crate) const PASSWORD: &str = "correct horse 1!";

/// Cheap hashes, no limit for the one address that all tests come from, and no guess that is only too late.
pub(crate) const CHEAP: &str = "password.bcrypt_cost = 4\nweb.per_address_hour = 0\n\
    hashing = { queue = 1000, max_wait = \"30s\" }\n";
/// The same, and whoever signs up has an account at once.
pub(crate) const WITHOUT_MAILS: &str = "password.bcrypt_cost = 4\nweb.per_address_hour = 0\n\
    hashing = { queue = 1000, max_wait = \"30s\" }\nmail.transport = \"none\"\n";

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

/// A folder with `auth.toml`; all else is made by the portal.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(configuration: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.configure(configuration);
        folder
    }

    /// Replaces the configuration in one step.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path("draft"), text).unwrap();
        std::fs::rename(self.path("draft"), self.configuration()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("auth.toml")
    }

    pub(crate) fn mail(&self) -> PathBuf {
        self.path("mail")
    }

    /// The newest verification link's token of an address; the file stands before the reply.
    pub(crate) fn link(&self, email: &str) -> String {
        let mails = mails_to(&self.mail(), email);
        mails.last().unwrap_or_else(|| panic!("no mail to {email}")).token()
    }

    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("doorwarden.db")).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PORTAL);
        command.args(["--listen", "127.0.0.1:0", "--config"]).arg(self.configuration());
        command
    }

    /// Starts a portal and waits until it listens.
    pub(crate) fn start(&self) -> Portal {
        Portal::listening(&mut self.command())
    }

    /// Runs a portal that mustn't start: its exit status and what it said.
    pub(crate) fn refused(&self) -> (Option<i32>, String) {
        refused(&mut self.command())
    }
}

pub(crate) fn refused(command: &mut Command) -> (Option<i32>, String) {
    let mut portal = Portal::spawn(command);
    let status = portal.ended();
    assert_eq!(portal.said.out(), "", "it says nothing of listening");
    (status, portal.said.complaint())
}

/// What a process has said so far.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<(String, String)>>);

impl Said {
    pub(crate) fn out(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }

    pub(crate) fn complaint(&self) -> String {
        self.0.lock().unwrap().1.clone()
    }

    fn listen(
        &self,
        from: impl Read + Send + 'static,
        place: fn(&mut (String, String)) -> &mut String,
    ) -> JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                place(&mut said.0.lock().unwrap()).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })
    }
}

/// A running portal; it is killed with the test, however that ends.
pub(crate) struct Portal {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    pub(crate) said: Said,
    pub(crate) address: String,
}

impl Portal {
    /// A process that may not listen yet.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let said = Said::default();
        let readers = vec![
            said.listen(child.stdout.take().unwrap(), |said| &mut said.0),
            said.listen(child.stderr.take().unwrap(), |said| &mut said.1),
        ];
        Self { child, readers, said, address: String::new() }
    }

    pub(crate) fn listening(command: &mut Command) -> Self {
        let mut portal = Self::spawn(command);
        portal.address = until("listening", || {
            let status = portal.child.try_wait().unwrap();
            assert_eq!(status, None, "it ended: {}", portal.said.complaint());
            let out = portal.said.out();
            let line = out.lines().find_map(|line| line.strip_prefix("listening on http://"))?;
            out.ends_with('\n').then(|| line.to_owned())
        });
        portal
    }

    /// Its first-administrator link's token, if it printed one.
    pub(crate) fn first_administrator(&self) -> Option<String> {
        let out = self.said.out();
        let (_, rest) = out.split_once("/first-administrator?token=")?;
        rest.lines().next().map(str::to_owned)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// The exit status, which must come, with all that was said.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let status = until("the end of the portal", || self.child.try_wait().unwrap());
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        status.code()
    }

    pub(crate) fn stop(mut self) {
        self.terminate();
        assert_eq!(self.ended(), Some(0), "{}", self.said.complaint());
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new(&self.address, "GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        Call::new(&self.address, "POST", &format!("/auth{path}")).json(body)
    }

    /// POST without a body.
    pub(crate) fn ask(&self, path: &str) -> Call {
        Call::new(&self.address, "POST", &format!("/auth{path}"))
    }

    pub(crate) fn sign_up(&self, email: &str) -> Reply {
        self.post("/sign-up", &json!({ "email": email, "password": PASSWORD })).send()
    }

    pub(crate) fn verify(&self, token: &str) -> Reply {
        self.post("/verify-email", &json!({ "token": token })).send()
    }

    /// Logs in for a token.
    pub(crate) fn login(&self, identifier: &str, password: &str) -> Reply {
        self.post("/login", &json!({ "identifier": identifier, "password": password, "want": "token" })).send()
    }

    pub(crate) fn session(&self, token: &str) -> Reply {
        self.get("/auth/session").bearer(token).send()
    }

    /// An account of a folder with mails.
    pub(crate) fn account(&self, folder: &Folder, email: &str) {
        assert_eq!(self.sign_up(email).outcome(), "verify_email");
        assert_eq!(self.verify(&folder.link(email)).status, 204);
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a file that the tests read from the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
