//! Errors that clients receive, in the format of text-embeddings-inference.

use super::Api;
use crate::ScoreError;
use crate::queue::Full;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Seconds after which a refused client may try again. A full queue of headlines is computed in a few seconds, so after one
/// there is room for some.
const RETRY_AFTER_S: &str = "1";

/// Kinds of errors, with their status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ErrorType {
    /// 424: the model failed.
    Backend,
    /// 429: the queue is full.
    Overloaded,
    /// 413: too large, too long or too many; another 4xx for a malformed request.
    Validation,
    /// 422: the tokenizer failed.
    Tokenizer,
    /// 400: there is nothing to score.
    Empty,
}

/// `{"error": "inputs[1]: the text is empty", "error_type": "Empty"}`
#[derive(Debug, Serialize)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    error_type: ErrorType,
}

impl ApiError {
    /// An error with the status of its type.
    pub fn new(error_type: ErrorType, error: impl Into<String>) -> Self {
        let status = match error_type {
            ErrorType::Backend => StatusCode::FAILED_DEPENDENCY,
            ErrorType::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            ErrorType::Validation => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorType::Tokenizer => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorType::Empty => StatusCode::BAD_REQUEST,
        };
        Self { status, error: error.into(), error_type }
    }

    /// A malformed request.
    pub fn invalid(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), error_type: ErrorType::Validation }
    }

    /// The reason why the text at `place` of the request has no score.
    pub fn of_text(place: &str, error: &ScoreError) -> Self {
        let (error_type, remedy) = match error {
            ScoreError::Length { .. } => (ErrorType::Validation, "; set `truncate` to true to cut it"),
            ScoreError::CompanyTooLong { .. } => (ErrorType::Validation, ""),
            ScoreError::NoTokens => (ErrorType::Empty, ""),
            ScoreError::Tokenizer(_) => (ErrorType::Tokenizer, ""),
            _ => (ErrorType::Backend, ""),
        };
        Self::new(error_type, format!("{place}: {error}{remedy}"))
    }
}

impl From<Full> for ApiError {
    fn from(_: Full) -> Self {
        Self::new(ErrorType::Overloaded, "the queue is full; try again in a moment")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry = (self.status == StatusCode::TOO_MANY_REQUESTS).then_some([(RETRY_AFTER, RETRY_AFTER_S)]);
        (self.status, retry, Json(self)).into_response()
    }
}

/// A JSON body; errors in it are reported as JSON too.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let invalid = |rejection: JsonRejection| ApiError::invalid(rejection.status(), rejection.body_text());
        let late = |_| {
            let problem = format!("the body did not arrive within {:?} (http.read_timeout)", api.read_timeout);
            ApiError::invalid(StatusCode::REQUEST_TIMEOUT, problem)
        };
        let read = tokio::time::timeout(api.read_timeout, Json::from_request(request, api));
        let Json(body) = read.await.map_err(late)?.map_err(invalid)?;
        Ok(Self(body))
    }
}
