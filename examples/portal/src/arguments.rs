//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A portal on doorwarden: web API and console in one program
#[derive(Debug, Parser)]
#[command(name = "doorwarden-portal", version)]
pub(crate) struct Arguments {
    /// The configuration file; without one the defaults hold, with files in --data
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, global = true, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where database, key and mails are without a configuration file
    #[arg(long, global = true, value_name = "DIR", default_value = "portal-data")]
    pub(crate) data: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve (what happens without a command, too)
    Serve,
}
