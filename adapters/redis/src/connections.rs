//! The connection, the small runtime that it lives on, and scripts.
//!
//! A call is a task of that runtime: it is finished even if its caller's future is dropped, and the caller needs no
//! runtime of any kind.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, ServerErrorKind, TlsCertificates, Value,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::config::{RedisConfig, Servers};
use crate::fault::Trouble;

/// The first and the longest wait before another try to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How many commands to a cluster are on their way at once where one goes to each partition.
pub(crate) const AT_ONCE: usize = 64;

/// Callers of subjects with the same number go one after another within this process.
const QUEUES: usize = 1_024;

pub(crate) struct Connections {
    link: Arc<Link>,
    runtime: Option<Runtime>,
    handle: Handle,
    call_timeout: Duration,
}

impl Connections {
    /// Starts the runtime; connects when first used.
    pub(crate) fn open(config: &RedisConfig) -> Result<Self, Trouble> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("doorwarden-redis").enable_all().build();
        let runtime = runtime.map_err(|error| Trouble::NoRuntime(Arc::new(error)))?;
        let handle = runtime.handle().clone();
        let link = Arc::new(Link::new(config)?);
        Ok(Self { link, runtime: Some(runtime), handle, call_timeout: config.call_timeout })
    }

    pub(crate) fn link(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// Runs `work` to its end or to the end of its time.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
        T: Send + 'static,
    {
        let (limit, work) = (self.call_timeout, Box::pin(work));
        let task =
            self.handle.spawn(async move { tokio::time::timeout(limit, work).await.unwrap_or(Err(Trouble::TooLong)) });
        task.await.unwrap_or(Err(Trouble::Stopped))
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        // Dropping a runtime waits for its tasks, which no async caller may do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection that all share, made again where it breaks.
pub(crate) struct Link {
    servers: Clients,
    connect_timeout: Duration,
    command_timeout: Duration,
    state: Mutex<State>,
    queues: Vec<Mutex<()>>,
}

enum Clients {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The connection, or how often in a row there was none and when to try again.
#[derive(Default)]
struct State {
    connection: Option<Connection>,
    made: u64,
    failed: Option<Failed>,
}

struct Failed {
    trouble: Trouble,
    in_a_row: u32,
    again_at: Instant,
}

impl Link {
    fn new(config: &RedisConfig) -> Result<Self, Trouble> {
        let certificates = trusted(config)?;
        let servers = match &config.servers {
            Servers::One(server) => Clients::One(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(*server.clone(), certificates)?,
                None => Client::open(*server.clone())?,
            })),
            Servers::Cluster(nodes) => {
                let mut builder = ClusterClient::builder(nodes.clone())
                    .connection_timeout(config.connect_timeout)
                    .response_timeout(config.command_timeout)
                    .overall_response_timeout(Some(config.call_timeout))
                    .retries(6)
                    .min_retry_wait(20)
                    .max_retry_wait(500);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Clients::Cluster(Box::new(builder.build()?))
            }
        };
        Ok(Self {
            servers,
            connect_timeout: config.connect_timeout,
            command_timeout: config.command_timeout,
            state: Mutex::default(),
            queues: (0..QUEUES).map(|_| Mutex::default()).collect(),
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Clients::Cluster(_))
    }

    /// The answer to one command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Trouble> {
        read(self.on_connection(&Work::Command(command)).await?)
    }

    /// The answers to commands on keys of one partition, in one round trip.
    pub(crate) async fn together<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Trouble> {
        read(self.on_connection(&Work::Together(commands)).await?)
    }

    /// The answers to commands that each have a partition of their own.
    pub(crate) async fn each<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> Result<Vec<T>, Trouble> {
        if !self.is_cluster() {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            commands.into_iter().for_each(|command| {
                pipeline.add_command(command);
            });
            return self.together(&pipeline).await;
        }
        let answers = stream::iter(commands).map(|command| async move { self.query(&command).await });
        let answers: Vec<_> = answers.buffered(AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    /// Runs a script on keys of one partition.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        hash: &str,
        source: &str,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, Trouble> {
        let call = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match self.query(&call("EVALSHA", hash)).await {
            // The server was started anew, or its scripts were flushed: this loads it again.
            Err(Trouble::Redis(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.query(&call("EVAL", source)).await
            }
            done => done,
        }
    }

    /// What each server says about itself.
    pub(crate) async fn info(&self) -> Result<Vec<String>, Trouble> {
        let mut texts = Vec::new();
        collect_texts(self.on_connection(&Work::Everywhere(&redis::cmd("INFO"))).await?, &mut texts);
        Ok(texts)
    }

    /// Waits until no other call of this process is at the same subject. What many want to change at once is then
    /// changed without a fight; between processes the scripts decide.
    pub(crate) async fn queue(&self, subject: &[u8; 32]) -> Option<MutexGuard<'_, ()>> {
        let [first, second, ..] = subject;
        let number = usize::from(u16::from_be_bytes([*first, *second])) % QUEUES;
        match self.queues.get(number) {
            Some(queue) => Some(queue.lock().await),
            None => None,
        }
    }

    /// Does it on the connection, and once more on another one if that was closed meanwhile: a server that ends idle
    /// connections, or was started again, costs nobody a fault. What scripts change is the same if it comes twice.
    async fn on_connection(&self, work: &Work<'_>) -> Result<Value, Trouble> {
        let (mut connection, made) = self.connection().await?;
        let done = connection.run(work).await.map_err(Trouble::from);
        match &done {
            Err(trouble) if self.is_spent_by(trouble) => {
                self.discard(made).await;
                if !trouble.is_closed_connection() {
                    return done;
                }
            }
            _ => return done,
        }
        let (mut connection, made) = self.connection().await?;
        let done = connection.run(work).await.map_err(Trouble::from);
        if done.as_ref().is_err_and(|trouble| self.is_spent_by(trouble)) {
            self.discard(made).await;
        }
        done
    }

    /// The next one who asks makes another connection, unless somebody has.
    async fn discard(&self, made: u64) {
        let mut state = self.state.lock().await;
        if state.made == made {
            state.connection = None;
        }
    }

    /// A cluster's connection mends itself, unless it knows no node any more.
    fn is_spent_by(&self, trouble: &Trouble) -> bool {
        match (&self.servers, trouble) {
            (Clients::One(_), trouble) => trouble.ends_connection(),
            (Clients::Cluster(_), Trouble::Redis(error)) => error.kind() == ErrorKind::ClusterConnectionNotFound,
            (Clients::Cluster(_), _) => false,
        }
    }

    /// The connection; while there is none, whoever asks hears so at once, and tries again at growing intervals.
    async fn connection(&self) -> Result<(Connection, u64), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.made));
        }
        let now = Instant::now();
        if let Some(failed) = &state.failed
            && now < failed.again_at
        {
            return Err(failed.trouble.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                let made = state.made.wrapping_add(1);
                *state = State { connection: Some(connection.clone()), made, failed: None };
                Ok((connection, made))
            }
            Err(trouble) => {
                let in_a_row = state.failed.as_ref().map_or(0, |failed| failed.in_a_row).saturating_add(1);
                let again_at = Instant::now() + back_off(in_a_row)?;
                state.failed = Some(Failed { trouble: trouble.clone(), in_a_row, again_at });
                Err(trouble)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let connecting = async {
            Ok(match &self.servers {
                Clients::One(client) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(self.connect_timeout))
                        .set_response_timeout(Some(self.command_timeout));
                    Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?)
                }
                Clients::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
            })
        };
        // The nodes of a cluster are asked one after another.
        let limit = if self.is_cluster() { self.connect_timeout.saturating_mul(2) } else { self.connect_timeout };
        tokio::time::timeout(limit, connecting).await.unwrap_or(Err(Trouble::TooLong))
    }
}

/// What is asked of the server.
enum Work<'a> {
    Command(&'a Cmd),
    Together(&'a Pipeline),
    /// Of every node of a cluster.
    Everywhere(&'a Cmd),
}

impl Connection {
    async fn run(&mut self, work: &Work<'_>) -> Result<Value, redis::RedisError> {
        match (self, work) {
            (Self::One(one), Work::Command(command) | Work::Everywhere(command)) => {
                one.req_packed_command(command).await?.extract_error()
            }
            (Self::Cluster(cluster), Work::Command(command)) => {
                cluster.req_packed_command(command).await?.extract_error()
            }
            (Self::Cluster(cluster), Work::Everywhere(command)) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllNodes, None));
                cluster.route_command((*command).clone(), all).await?.extract_error()
            }
            (Self::One(one), Work::Together(commands)) => commands.query_async(one).await,
            (Self::Cluster(cluster), Work::Together(commands)) => commands.query_async(cluster).await,
        }
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Trouble> {
    redis::from_redis_value(value).map_err(|error| Trouble::Redis(error.into()))
}

/// Doubles from one try to the next, and is never the same for two processes.
fn back_off(in_a_row: u32) -> Result<Duration, Trouble> {
    let (first, longest) = BACK_OFF;
    let whole = first.saturating_mul(1 << in_a_row.saturating_sub(1).min(16)).min(longest);
    Ok(whole / 2 + chance(whole / 2)?)
}

/// Some time up to `most`.
pub(crate) fn chance(most: Duration) -> Result<Duration, Trouble> {
    let dice = getrandom::u32().map_err(|_| Trouble::NoChance)?;
    Ok(most.mul_f64(f64::from(dice) / f64::from(u32::MAX)))
}

/// The configured certificates, of which there must be one; `None`: those that browsers trust.
fn trusted(config: &RedisConfig) -> Result<Option<TlsCertificates>, Trouble> {
    if !config.is_encrypted() {
        return Ok(None);
    }
    // An embedding host may have chosen another one.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let Some(file) = &config.certificates else { return Ok(None) };
    let unusable = |why: &dyn std::fmt::Display| Trouble::Certificates(format!("{}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
    if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        return Err(unusable(&"it holds none"));
    }
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(pem) }))
}

fn collect_texts(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text),
        Value::Array(values) => values.into_iter().for_each(|value| collect_texts(value, texts)),
        Value::Map(pairs) => pairs.into_iter().for_each(|(_, value)| collect_texts(value, texts)),
        _ => {}
    }
}
