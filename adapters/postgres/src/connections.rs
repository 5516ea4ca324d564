//! The pool of connections and the small runtime that they live on.
//!
//! A call is a task of that runtime: it is finished even if its caller's future is dropped, and the caller needs no
//! runtime of any kind.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime as PoolRuntime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::PostgresConfig;
use crate::fault::{Trouble, Undone};
use crate::tls;

/// What is done on a session, with its input; a function that may be run again.
pub(crate) type Steps<C, T, R> = for<'a> fn(&'a Session<'a>, &'a C) -> Work<'a, T, R>;

/// A boxed future, since no type of a function says that its future is `Send`.
pub(crate) type Work<'a, T, R> = Pin<Box<dyn Future<Output = Result<T, Undone<R>>> + Send + 'a>>;

/// The parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How often a transaction that the server undid for another's sake is run again.
const RUNS: u64 = 32;

/// How often a call takes another connection where the one that it got was cut before it had done anything.
const CONNECTIONS_TRIED: u64 = 3;

pub(crate) struct Connections {
    pool: Pool,
    patience: Duration,
    runtime: Option<Runtime>,
    handle: Handle,
}

/// What a port's call runs its statements on: a transaction, or a connection for one statement.
pub(crate) struct Session<'a> {
    on: On<'a>,
    /// How long a statement's answer is waited for; `None`: for ever.
    patience: Option<Duration>,
}

enum On<'a> {
    Connection(&'a Object),
    Transaction(deadpool_postgres::Transaction<'a>),
}

/// Whether a call may be run again where its connection was cut and nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl Session<'_> {
    async fn prepared(&self, statement: &'static str) -> Result<Statement, Trouble> {
        self.answer(async {
            match &self.on {
                On::Connection(connection) => connection.prepare_cached(statement).await,
                On::Transaction(transaction) => transaction.prepare_cached(statement).await,
            }
        })
        .await
    }

    /// The rows that a statement gives.
    pub(crate) async fn rows(&self, statement: &'static str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        let prepared = self.prepared(statement).await?;
        self.answer(async {
            match &self.on {
                On::Connection(connection) => connection.query(&prepared, params).await,
                On::Transaction(transaction) => transaction.query(&prepared, params).await,
            }
        })
        .await
    }

    /// The row that a statement gives, if any.
    pub(crate) async fn row(&self, statement: &'static str, params: Params<'_>) -> Result<Option<Row>, Trouble> {
        Ok(self.rows(statement, params).await?.into_iter().next())
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn execute(&self, statement: &'static str, params: Params<'_>) -> Result<u64, Trouble> {
        let prepared = self.prepared(statement).await?;
        self.answer(async {
            match &self.on {
                On::Connection(connection) => connection.execute(&prepared, params).await,
                On::Transaction(transaction) => transaction.execute(&prepared, params).await,
            }
        })
        .await
    }

    /// Runs several statements without parameters.
    pub(crate) async fn batch(&self, statements: &str) -> Result<(), Trouble> {
        self.answer(async {
            match &self.on {
                On::Connection(connection) => connection.batch_execute(statements).await,
                On::Transaction(transaction) => transaction.batch_execute(statements).await,
            }
        })
        .await
    }

    async fn answer<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
        match self.patience {
            Some(patience) => in_time(patience, asked).await,
            None => Ok(asked.await?),
        }
    }
}

/// A server that hangs, or whose machine is gone, ends no statement by its own clock.
async fn in_time<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    Ok(tokio::time::timeout(patience, asked).await.map_err(|_| Trouble::Silent)??)
}

impl Connections {
    /// Makes the pool; connects when first used.
    pub(crate) fn open(config: &PostgresConfig) -> Result<Self, Trouble> {
        if !config.has_plain_schema() {
            return Err(Trouble::SchemaName);
        }
        let patience = config.statement_timeout.saturating_mul(2);
        let mut server = config.server.clone();
        server.options(config.options()).application_name("doorwarden").connect_timeout(config.connect_timeout);
        server.tcp_user_timeout(patience).keepalives_idle(Duration::from_secs(60));
        let connect = MakeRustlsConnect::new(tls::trusting(config.certificates.as_deref())?);
        let manager = Manager::from_config(server, connect, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(config.max_connections.max(1))
            .wait_timeout(Some(config.connect_timeout))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(PoolRuntime::Tokio1)
            .build()?;
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("doorwarden-postgres").enable_all().build();
        let runtime = runtime.map_err(|error| Trouble::NoRuntime(Arc::new(error)))?;
        let handle = runtime.handle().clone();
        Ok(Self { pool, patience, runtime: Some(runtime), handle })
    }

    /// Runs one statement that changes nothing.
    pub(crate) async fn read<C, T>(&self, input: C, work: Steps<C, T, Infallible>) -> Result<T, Trouble>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.statement(Kind::Read, input, work).await
    }

    /// Runs one statement that is a transaction of its own.
    pub(crate) async fn act<C, T>(&self, input: C, work: Steps<C, T, Infallible>) -> Result<T, Trouble>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.statement(Kind::Write, input, work).await
    }

    async fn statement<C, T>(&self, kind: Kind, input: C, work: Steps<C, T, Infallible>) -> Result<T, Trouble>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pool, patience) = (self.pool.clone(), self.patience);
        self.task(async move {
            let mut run = 1;
            loop {
                match state(&pool, patience, &input, work).await {
                    Err(trouble) if trouble.was_outrun() && run < RUNS => wait_a_little(run).await,
                    Err(trouble) if kind == Kind::Read && trouble.was_cut() && run < CONNECTIONS_TRIED => {}
                    done => return done,
                }
                run += 1;
            }
        })
        .await?
    }

    /// Runs `work` in a transaction: whole, or not at all where it fails. It may be run several times, since the server
    /// undoes one of two transactions that wait for each other.
    pub(crate) async fn transaction<C, T, R>(&self, input: C, work: Steps<C, T, R>) -> Result<T, Undone<R>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        self.transact(Some(self.patience), input, work).await
    }

    /// Runs `work` in a transaction that may take as long as it takes.
    pub(crate) async fn long_transaction<C, T, R>(&self, input: C, work: Steps<C, T, R>) -> Result<T, Undone<R>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        self.transact(None, input, work).await
    }

    async fn transact<C, T, R>(
        &self,
        patience: Option<Duration>,
        input: C,
        work: Steps<C, T, R>,
    ) -> Result<T, Undone<R>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        let (pool, begin_within) = (self.pool.clone(), self.patience);
        let transacted = self.task(async move {
            let mut run = 1;
            loop {
                match transact(&pool, begin_within, patience, &input, work).await {
                    Err(Undone::Trouble(trouble)) if trouble.was_outrun() && run < RUNS => wait_a_little(run).await,
                    done => return done,
                }
                run += 1;
            }
        });
        transacted.await?
    }

    async fn task<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Trouble> {
        self.handle.spawn(work).await.map_err(|_| Trouble::Stopped)
    }
}

async fn wait_a_little(run: u64) {
    tokio::time::sleep(Duration::from_millis(run)).await;
}

async fn state<C, T>(pool: &Pool, patience: Duration, input: &C, work: Steps<C, T, Infallible>) -> Result<T, Trouble> {
    let connection = pool.get().await?;
    let session = Session { on: On::Connection(&connection), patience: Some(patience) };
    let done = work(&session, input).await.map_err(|undone| match undone {
        Undone::Refused(never) => match never {},
        Undone::Trouble(trouble) => trouble,
    });
    drop(session);
    if matches!(done, Err(Trouble::Silent)) {
        forget(connection);
    }
    done
}

async fn transact<C, T, R>(
    pool: &Pool,
    begin_within: Duration,
    patience: Option<Duration>,
    input: &C,
    work: Steps<C, T, R>,
) -> Result<T, Undone<R>> {
    let mut tried = 1;
    loop {
        let mut connection = pool.get().await?;
        let done = match in_time(begin_within, connection.transaction()).await {
            // Nothing was done yet, so another connection may do it.
            Err(trouble) if trouble.was_cut() && tried < CONNECTIONS_TRIED => {
                tried += 1;
                continue;
            }
            Err(trouble) => Err(trouble.into()),
            Ok(transaction) => within(transaction, patience, input, work).await,
        };
        if matches!(done, Err(Undone::Trouble(Trouble::Silent | Trouble::Undecided(_)))) {
            forget(connection);
        }
        return done;
    }
}

async fn within<'a, C, T, R>(
    transaction: deadpool_postgres::Transaction<'a>,
    patience: Option<Duration>,
    input: &C,
    work: Steps<C, T, R>,
) -> Result<T, Undone<R>> {
    // Dropped before its commit, it is rolled back.
    let session = Session { on: On::Transaction(transaction), patience };
    let done = work(&session, input).await?;
    let Session { on: On::Transaction(transaction), patience } = session else { return Ok(done) };
    let committed = match patience {
        Some(patience) => in_time(patience, transaction.commit()).await,
        None => transaction.commit().await.map_err(Trouble::from),
    };
    committed.map_err(Trouble::at_the_commit)?;
    Ok(done)
}

/// Takes a connection out of the pool whose server hasn't answered: the answer would meet the next statement.
fn forget(connection: Object) {
    drop(Object::take(connection));
}

impl Drop for Connections {
    fn drop(&mut self) {
        // Dropping a runtime waits for its tasks, which no async caller may do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
