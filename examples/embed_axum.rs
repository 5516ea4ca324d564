//! The smallest server that protects a route: `cargo run -p doorwarden --example embed_axum`, then
//! `curl http://127.0.0.1:8080/` answers 401 until you sign up and log in under `/auth`.

use axum::{Router, routing::get};
use doorwarden::Configuration;
use doorwarden::web::{Auth, CurrentUser, router, serve};
use tokio::net::TcpListener;

async fn home(CurrentUser { user, .. }: CurrentUser) -> String {
    format!("Hello, {}!\n", user.email.typed())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let configuration = Configuration::default_in("embed-data");
    let engine = configuration.open().await?;
    let settings = configuration.web_settings("");
    let app = Router::new()
        .route("/", get(home))
        .with_state(Auth::new(engine.clone(), settings.clone()))
        .merge(router(engine, settings));
    println!("mails are written to embed-data/mail; try http://127.0.0.1:8080/auth/options");
    let stopped = async { _ = tokio::signal::ctrl_c().await };
    serve(TcpListener::bind("127.0.0.1:8080").await?, app, stopped).await?;
    Ok(())
}
