//! A request as the routes want it: who asks, under which key, and a body that is read once.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use uuid::Uuid;

use axum::body::Bytes;

use super::{CommandContext, CommandKey};
use crate::auth::Identity;
use crate::context::RequestContext;
use crate::problem::Problem;

/// One request.
#[derive(Debug)]
pub(super) struct Asked {
    pub identity: Identity,
    pub context: CommandContext,
    pub key: Option<CommandKey>,
    is_json: bool,
    body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let identity = Identity::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        let key = match headers.get("idempotency-key") {
            None => None,
            Some(key) => {
                let key = key.to_str().unwrap_or_default();
                let fit = CommandKey::new(&identity.subject, key, method.as_str(), &path, &body);
                Some(fit.ok_or_else(|| {
                    let detail = "Idempotency-Key: 1 to 255 visible ASCII characters are allowed";
                    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
                })?)
            }
        };
        Ok(Self {
            context: context(&headers, &identity),
            identity,
            key,
            is_json: is_json(&headers),
            body,
        })
    }
}

impl Asked {
    /// Whose orders are meant, when they are one's own.
    pub fn user(&self) -> Result<Uuid, Problem> {
        self.identity.user_id.ok_or_else(|| {
            let detail = "This token is no user's, and has no orders of its own.";
            Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
        })
    }

    /// The body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "send the body as application/json",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let (status, kind) = match error.classify() {
                Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
                Category::Syntax | Category::Eof | Category::Io => {
                    (StatusCode::BAD_REQUEST, "malformed")
                }
            };
            Problem::new(status, kind, format!("body: {error}"))
        })
    }

    /// The body, or what stands for none.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        self.json()
    }
}

fn unread(rejection: BytesRejection) -> Problem {
    let status = rejection.into_response().status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("body: at most {} bytes are allowed", super::MAX_BODY);
        return Problem::new(status, "too-large", detail);
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed",
        "the body did not arrive whole",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn context(headers: &HeaderMap, identity: &Identity) -> CommandContext {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let uuid = |text: &str| Uuid::parse_str(text).ok();
    let request_id = RequestContext::current().request_id;
    let request_id = request_id.as_deref().and_then(uuid);
    let request_id = request_id.unwrap_or_else(Uuid::now_v7);
    CommandContext {
        // Of several requests, when their client says so.
        correlation_id: text("x-correlation-id")
            .and_then(uuid)
            .unwrap_or(request_id),
        causation_id: request_id,
        actor: identity.subject.clone(),
        // Longer ones are none that we know.
        traceparent: text("traceparent")
            .filter(|text| text.len() <= 64)
            .map(str::to_owned),
    }
}
