//! A machine with a configuration and a store, for the command and for a service beside it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::login::{LoginRequest, LoginStep};
use doorwarden::core::password::Password;
use doorwarden::core::upkeep::Upkeep;
use futures_executor::block_on;
use serde_json::Value;

pub(crate) const PASSWORD: &str = "correct horse 1!";

/// Mails are off so that signing up makes an account at once.
const FILE: &str = "mail.transport = \"none\"\npassword.bcrypt_cost = 4\n";

pub(crate) struct Machine {
    pub(crate) folder: tempfile::TempDir,
}

/// What a run printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) complaint: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with_file(FILE)
    }

    pub(crate) fn with_file(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("doorwarden.toml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    /// Runs with `input` on standard input, which is closed behind it.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self.start(arguments);
        // A run that is refused before it reads has closed the pipe.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { status: output.status.code(), out: text(output.stdout), complaint: text(output.stderr) }
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorwarden"));
        command.args(arguments).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs what must be done, and returns what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    pub(crate) fn add_ada(&self) -> String {
        let arguments = ["user", "add", "--email", "ada@example.org", "--username", "ada", "--password-stdin"];
        self.run_with(&arguments, PASSWORD.as_bytes()).done()
    }

    /// The engine of a service on the same store.
    pub(crate) fn service(&self) -> Engine {
        let configuration = doorwarden::Configuration::load(self.path().join("doorwarden.toml")).unwrap();
        block_on(block_on(configuration.builder()).unwrap().upkeep(Upkeep::ByHost).start()).unwrap()
    }
}

impl Ran {
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.complaint.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The objects of a list.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Logs in; the code of the refusal if that's what comes.
pub(crate) fn log_in(service: &Engine, identifier: &str, password: &str, client: Client) -> Result<LoginStep, String> {
    let request =
        LoginRequest { identifier: identifier.to_owned(), password: Password::new(password.to_owned()), client };
    block_on(service.login(request)).map_err(|failure| match failure {
        doorwarden::core::error::Failure::Refused(refusal) => refusal.code().to_owned(),
        doorwarden::core::error::Failure::Fault(fault) => panic!("{fault}"),
    })
}
