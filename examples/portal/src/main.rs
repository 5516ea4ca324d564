//! The portal: doorwarden's web API and console in one program, on one SQLite file unless the configuration says else.

mod arguments;
mod console;
mod policy_file;
mod server;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match server::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("doorwarden-portal: {failure}");
            failure.exit()
        }
    }
}
