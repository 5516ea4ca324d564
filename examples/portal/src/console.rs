//! The console: pages and assets from inside the binary, beside the web API.

use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use doorwarden::{Configuration, Engine};
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

const LOGO: &str = "/ui/logo";
const PAGE: &str = "index.html";
/// Own sources only, nothing inline.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

#[derive(RustEmbed)]
#[folder = "ui"]
struct Ui;

#[derive(Debug, Clone)]
struct Console {
    prefix: String,
    logo: Option<PathBuf>,
    mail_folder: Option<PathBuf>,
    https: bool,
}

/// The web API with the console's pages around it.
pub(crate) fn router(engine: Engine, configuration: &Configuration, mail_folder: Option<PathBuf>) -> Router {
    let console = Console {
        prefix: configuration.web.prefix.clone(),
        logo: configuration.logo(),
        mail_folder,
        https: configuration.public_url.is_https(),
    };
    let pages = Router::new()
        .route("/", get(page))
        .route("/verify-email", get(page))
        .route("/reset-password", get(page))
        .route("/confirm-email", get(page))
        .route("/undo-email", get(page))
        .route("/sign-up", get(page))
        .route("/first-administrator", get(page))
        .route("/users", get(page))
        .route("/invitations", get(page))
        .route("/audit", get(page))
        .route("/portal.json", get(portal))
        .route(LOGO, get(logo))
        .route("/ui/{*path}", get(asset))
        .layer(CompressionLayer::new())
        .with_state(console.clone());
    doorwarden::web::router(engine, configuration.web_settings(LOGO))
        .merge(pages)
        .fallback(async || nothing_here())
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, page_headers("no-store")))
        .layer(from_fn_with_state(console, own_origin))
}

/// What only a server that owns its whole origin may say of it.
async fn own_origin(State(console): State<Console>, request: Request, next: Next) -> Response {
    let logs_out = request.uri().path() == format!("{}/logout", console.prefix);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if console.https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if logs_out {
        headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    }
    response
}

/// Every page is the same shell; its script looks at the path.
async fn page(State(console): State<Console>) -> Response {
    let Some(file) = Ui::get(PAGE) else { return nothing_here() };
    let shell = String::from_utf8_lossy(&file.data).replace(
        "name=\"api-prefix\" content=\"/auth\"",
        &format!("name=\"api-prefix\" content=\"{}\"", console.prefix),
    );
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page_headers("no-store"), shell).into_response()
}

async fn portal(State(console): State<Console>) -> Response {
    let folder = console.mail_folder.map(|folder| folder.display().to_string());
    (page_headers("no-store"), Json(serde_json::json!({ "mail_folder": folder }))).into_response()
}

async fn logo(State(console): State<Console>) -> Response {
    let Some(file) = console.logo else { return nothing_here() };
    match tokio::fs::read(&file).await {
        Ok(bytes) => {
            ([(CONTENT_TYPE, content_type(&file.to_string_lossy()))], page_headers("no-cache"), bytes).into_response()
        }
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the logo can't be read");
            nothing_here()
        }
    }
}

async fn asset(Path(path): Path<String>, request: HeaderMap) -> Response {
    match Ui::get(&path).filter(|_| path != PAGE) {
        Some(file) => send(&path, file, &request),
        None => nothing_here(),
    }
}

fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, page_headers("no-store")).into_response()
}

fn send(path: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let digest: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{digest}\"");
    let headers = ([(ETAG, tag.clone())], page_headers("no-cache"));
    // A compressed reply carries the tag as a weak one.
    let known =
        request.get(IF_NONE_MATCH).and_then(|given| given.to_str().ok()).is_some_and(|given| given.contains(&tag));
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    ([(CONTENT_TYPE, content_type(path))], headers, Body::from(file.data)).into_response()
}

fn page_headers(caching: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CACHE_CONTROL, caching),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (OPENER_POLICY, "same-origin"),
    ]
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}
