//! A PostgreSQL of one's own for tests (cargo feature `testing`): in a temporary folder, on a free loopback port, ended
//! with its last user. It needs the server's programs, and runs as `nobody` where root starts it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test without its server ends by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::PostgresConfig;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    settings: String,
}

impl Server {
    /// The server that the tests of this program share.
    pub fn shared() -> Arc<Self> {
        static RUNNING: OnceLock<Mutex<Weak<Server>>> = OnceLock::new();
        let mut running = RUNNING.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *running = Arc::downgrade(&server);
        server
    }

    /// The address of the database, with more behind it.
    pub fn url(&self, more: &str) -> String {
        format!("postgres://dw@127.0.0.1:{}/postgres{more}", self.port)
    }

    /// The address of a database that nobody else uses.
    pub fn fresh_database(&self) -> String {
        let name = format!("test_{}", next());
        self.sql(&format!("CREATE DATABASE {name}"));
        format!("postgres://dw@127.0.0.1:{}/{name}", self.port)
    }

    /// The address of a schema that nobody else uses.
    pub fn fresh_schema(&self) -> PostgresConfig {
        let mut config = PostgresConfig::parse(&self.url("")).unwrap();
        config.schema = format!("test_{}", next());
        config
    }

    /// Starts a server with durability off, which tests that end it by a signal don't need.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with more settings, written as its command line takes them (`-c NAME=VALUE`).
    pub fn start_with(settings: &str) -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        // The server refuses to run as root; "nobody" must be able to enter.
        let data = folder.path().join("data");
        let become_nobody = is_root();
        if become_nobody {
            run(Command::new("chmod").arg("711").arg(folder.path()));
            std::fs::create_dir(&data).unwrap();
            run(Command::new("chown").arg("nobody").arg(&data));
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port, settings: settings.to_owned() };
        run(server.program("initdb").args(["-U", "dw", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]));
        server.up();
        server
    }

    /// Runs statements with the server's own client.
    pub fn sql(&self, statements: &str) {
        self.ask(statements);
    }

    /// The same, in the database of an address.
    pub fn sql_in(&self, url: &str, statements: &str) {
        run(self.client().args(["-d", url, "-c", statements]));
    }

    /// Runs statements with the server's own client, and returns what it prints.
    pub fn ask(&self, statements: &str) -> String {
        let output = self.client().args(["-c", statements]).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{statements}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What the server has written about itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("log")).unwrap()
    }

    /// Keeps a transaction open in which the statement was run.
    pub fn hold(&self, statement: &str) -> Holder {
        let mut client = self.client().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        writeln!(input, "BEGIN; {statement}; SELECT 'held';").unwrap();
        let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("held")));
        Holder { client, _input: input }
    }

    fn client(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url("")]);
        command
    }

    /// Starts it again, after [`Server::kill`].
    pub fn up(&self) {
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -p {} -c unix_socket_directories= -c fsync=off -c max_connections=400 {}",
            self.port, self.settings
        );
        run(self.program("pg_ctl").args(["-w", "-l"]).arg(self.data().join("log")).args(["-o", &settings, "start"]));
    }

    /// Ends it as a crash would.
    pub fn kill(&self) {
        run(self.program("pg_ctl").args(["-m", "immediate", "stop"]));
    }

    /// Ends one of its processes by SIGKILL, which makes it end all connections and recover.
    pub fn crash_one(&self) {
        let one = self.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'doorwarden' LIMIT 1");
        run(Command::new("kill").args(["-KILL", &one]));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(path);
                command
            }
            false => Command::new(path),
        };
        command.arg("-D").arg(self.data()).env("HOME", self.data()).current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program("pg_ctl").args(["-m", "immediate", "stop"]).output();
    }
}

/// A transaction that holds its locks until this is dropped.
#[derive(Debug)]
pub struct Holder {
    client: Child,
    _input: ChildStdin,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Where Debian and others put the server's programs, which aren't in PATH.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let named = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let found = named.into_iter().chain(debian).find(|folder| has_initdb(folder));
    found.unwrap_or_else(|| {
        panic!("no PostgreSQL server: `apt-get install postgresql`, or set POSTGRES_BIN to the folder of its initdb")
    })
}

fn has_initdb(folder: &Path) -> bool {
    folder.join("initdb").is_file()
}

fn run(command: &mut Command) {
    // The server inherits what it is started with: a pipe would be open as long as it runs.
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).status().unwrap();
    assert!(output.success(), "{command:?}");
}
