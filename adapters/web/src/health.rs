//! `GET /healthz`: up or down, no more.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::current::Auth;
use crate::problem::{Problem, ProblemBody};

/// The service and its store answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `up`.
    status: &'static str,
}

/// Whether the service's store answers.
#[utoipa::path(
    get, path = "/healthz", tag = "operation",
    responses(
        (status = 200, body = HealthBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "unavailable"),
    )
)]
pub(crate) async fn health(State(auth): State<Auth>) -> Result<Json<HealthBody>, Problem> {
    match auth.engine().ping().await {
        Ok(()) => Ok(Json(HealthBody { status: "up" })),
        Err(fault) => Err(Problem::down(&fault)),
    }
}
