//! From the command line to a server that listens, and back.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use doorwarden::core::error::Fault;
use doorwarden::core::policy::PublicUrl;
use doorwarden::{Configuration, Engine, OpenError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::{console, policy_file};

/// Why the portal doesn't run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine doesn't open.
    Open(OpenError),
    /// The address can't be listened on, or the system refuses something else.
    System { doing: String, source: std::io::Error },
    /// The store failed right after the start.
    Store(Fault),
}

impl Failure {
    /// 2: the configuration is wrong; 3: the store can't be used; 1: anything else.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Open(error) if !error.is_fault() => 2,
            Self::Open(_) | Self::Store(_) => 3,
            Self::System { .. } => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::System { doing, source } => write!(f, "{doing}: {source}"),
            Self::Store(fault) => fault.fmt(f),
        }
    }
}

/// Serves until SIGTERM or SIGINT, then finishes the requests under way.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let configuration = configuration(&arguments)?;
    let system = |doing: String| move |source| Failure::System { doing, source };
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(system(format!("listening on {} (choose another with --listen)", arguments.listen)))?;
    let address = listener.local_addr().map_err(system("reading the listening address".to_owned()))?;
    let configuration = reached_at(configuration, address);
    let stop = stop().map_err(system("watching for SIGTERM".to_owned()))?;
    let engine = configuration.open().await.map_err(Failure::Open)?;
    announce(&configuration, &engine, address).await?;
    if let Some(file) = arguments.config {
        tokio::spawn(policy_file::watch(file, configuration.mail_templates_folder(), address, engine.clone()));
    }
    let router = console::router(engine, &configuration, mail_folder_to_show(&configuration, address));
    doorwarden::web::serve(listener, router, stop).await.map_err(system("serving".to_owned()))
}

fn configuration(arguments: &Arguments) -> Result<Configuration, Failure> {
    match &arguments.config {
        Some(file) => Configuration::load(file).map_err(|error| Failure::Open(error.into())),
        None => Ok(Configuration::default_in(arguments.data.clone())),
    }
}

/// Unless the file says how browsers reach the portal, it is where it listens.
pub(crate) fn reached_at(mut configuration: Configuration, address: SocketAddr) -> Configuration {
    if !configuration.is_given("public_url")
        && let Ok(url) = PublicUrl::parse(&format!("http://{address}"))
    {
        configuration.public_url = url;
    }
    configuration
}

/// What a person who starts the portal needs to know; `listening on` comes last, when it is true.
async fn announce(configuration: &Configuration, engine: &Engine, address: SocketAddr) -> Result<(), Failure> {
    for weakness in configuration.weaknesses() {
        tracing::warn!("{weakness}");
    }
    match configuration.server_weaknesses().await {
        Ok(weaknesses) => weaknesses.iter().for_each(|weakness| tracing::warn!("{weakness}")),
        Err(error) => tracing::warn!(%error, "the servers weren't asked what is weak about them"),
    }
    if let Some(link) = engine.first_administrator_link().await.map_err(Failure::Store)? {
        println!("no user exists yet: make the first administrator within an hour at\n  {link}");
    }
    if let Some(folder) = configuration.mail_folder() {
        println!("mails are written to {}", folder.display());
    }
    println!("listening on http://{address}");
    Ok(())
}

/// The mail folder, for the console's first page: only where nobody but this machine can read it.
fn mail_folder_to_show(configuration: &Configuration, address: SocketAddr) -> Option<PathBuf> {
    let private = address.ip().is_loopback() && configuration.public_url.is_loopback();
    let folder = configuration.mail_folder().filter(|_| private)?;
    Some(std::path::absolute(&folder).unwrap_or(folder))
}

fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
