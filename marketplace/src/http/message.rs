//! Messages in and out: a body or a query, and what an error is as a status.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use souk_proto::Reason;

use crate::error::Error;

/// A message as the body of a request.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(Error))]
pub(super) struct Body<T>(pub(super) T);

/// A message as the query of an address.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Error))]
pub(super) struct Fields<T>(pub(super) T);

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Error {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::new(Reason::TooLarge, "the body has more than 2 MiB"),
            _ => Error::invalid(where_it_is(&rejection.body_text())),
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Error {
        Error::invalid(where_it_is(&rejection.body_text()))
    }
}

/// What is wrong and where, without the value that stands there: it may be a secret.
fn where_it_is(text: &str) -> String {
    text.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")
}

/// The status of an error. What the cluster cannot do now is no fault of who asks.
pub(super) fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::InvalidArgument | Reason::OutOfRange | Reason::SqlSyntax | Reason::SqlRuntime => {
            StatusCode::BAD_REQUEST
        }
        Reason::NotFound | Reason::NoSuchTable => StatusCode::NOT_FOUND,
        Reason::AlreadyExists
        | Reason::WrongState
        | Reason::Constraint
        | Reason::Expectation
        | Reason::RequestIdReused => StatusCode::CONFLICT,
        Reason::TooLarge | Reason::GatherTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        Reason::Internal | Reason::VerifyFailed | Reason::ShardDamaged | Reason::Cancelled => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Reason::UnsupportedSql => StatusCode::NOT_IMPLEMENTED,
        Reason::ShardUnavailable | Reason::StaleTopology | Reason::SchemaMismatch | Reason::NodeMismatch => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Reason::Deadline => StatusCode::GATEWAY_TIMEOUT,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (status(self.reason), said(self.reason, &self.message)).into_response()
    }
}

/// An error as it is said.
#[derive(Serialize)]
pub(super) struct Said {
    reason: &'static str,
    message: String,
}

pub(super) fn said(reason: Reason, message: &str) -> Json<Said> {
    Json(Said { reason: reason.as_str(), message: message.to_owned() })
}
