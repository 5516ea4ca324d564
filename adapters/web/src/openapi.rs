//! `GET /openapi.json`: the description of the API (OpenAPI 3.1), made from the handlers themselves.

use axum::Extension;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{Info, OpenApi, Server};

/// The description, written out once.
#[derive(Debug, Clone)]
pub(crate) struct Description(Bytes);

impl Description {
    /// Completes what the handlers say with where they are mounted. It names no release: that is nobody's business.
    pub(crate) fn of(mut api: OpenApi, prefix: &str) -> Self {
        api.info = Info::new("Authentication", "1");
        api.servers = Some(vec![Server::new(if prefix.is_empty() { "/" } else { prefix })]);
        Self(serde_json::to_vec(&api).unwrap_or_default().into())
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn description(Extension(Description(json)): Extension<Description>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}
