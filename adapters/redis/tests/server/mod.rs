//! Redis servers of our own for tests: in a temporary folder, on free loopback ports.

#![allow(dead_code, reason = "each program of tests uses its part")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use doorwarden_redis::RedisConfig;

/// A running server; it ends with its value.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    kind: &'static str,
    settings: Vec<String>,
    running: Mutex<Option<Child>>,
}

impl Server {
    /// A server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// A server with these settings.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::on_port("--port", settings)
    }

    /// A server that speaks TLS alone.
    pub(crate) fn with_tls(settings: &[&str]) -> Self {
        Self::on_port("--tls-port", &[&["--port", "0"], settings].concat())
    }

    fn on_port(kind: &'static str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let server = Self { folder, port: free_port(), kind, settings, running: Mutex::default() };
        server.up();
        server
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn config(&self) -> RedisConfig {
        RedisConfig::parse(&self.url()).unwrap()
    }

    /// Starts it again, after [`Server::kill`].
    pub(crate) fn up(&self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", self.kind, &port, "--dir"]).arg(self.folder.path());
        command.args(["--daemonize", "no", "--logfile", "log"]).args(&self.settings);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = started.unwrap_or_else(|error| panic!("no Redis server ({error}): `apt-get install redis-server`"));
        *self.running() = Some(child);
        wait_until("the server answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.running().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it as if the machine were frozen, until it goes on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.running().as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What the server's own client says.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let said = Command::new("redis-cli").args(["-p", &port]).args(command).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Redis Cluster of three nodes.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
    turn: Mutex<bool>,
    given_back: Condvar,
}

/// The cluster, empty, for one test.
pub(crate) struct Alone(Arc<Cluster>);

impl Alone {
    /// Waits for its turn.
    pub(crate) fn on(cluster: Arc<Cluster>) -> Self {
        let taken = cluster.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = cluster.given_back.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        drop(taken);
        for node in &cluster.nodes {
            assert_eq!(node.cli(&["flushall"]), "OK");
        }
        Self(cluster)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        *self.0.turn.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.given_back.notify_one();
    }
}

impl Cluster {
    /// The cluster that the tests of this program share, one after another.
    pub(crate) fn shared() -> Arc<Self> {
        static RUNNING: OnceLock<Mutex<Weak<Cluster>>> = OnceLock::new();
        let mut running = RUNNING.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = running.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        *running = Arc::downgrade(&cluster);
        cluster
    }

    pub(crate) fn start() -> Self {
        let settings = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-node-timeout",
            "2000",
        ];
        let nodes: Vec<Server> = (0..3).map(|_| Server::with(&settings)).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let created = create.stdin(Stdio::null()).output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        let cluster = Self { nodes, turn: Mutex::default(), given_back: Condvar::new() };
        cluster.wait_until_whole();
        cluster
    }

    pub(crate) fn wait_until_whole(&self) {
        for node in &self.nodes {
            wait_until("the cluster is whole", || node.cli(&["cluster", "info"]).contains("cluster_state:ok"));
        }
    }

    pub(crate) fn config(&self) -> RedisConfig {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        RedisConfig::parse(&format!("redis-cluster://{}", nodes.join(","))).unwrap()
    }
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain until {what}");
}

/// A port whose other port, of the cluster's bus, is a port as well.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}
