//! The routes of the query service.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{Extensions, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Answer, Cursor, MAX_PAGE, QueryError, QueryService};
use crate::auth::{Identity, Scope};
use crate::problem::Problem;
use crate::projection::OrderRow;

/// The position that the answer is true at: what was stored up to there is in it.
const POSITION: HeaderName = HeaderName::from_static("orders-position");
/// How many positions that is behind the last one given out, when it was last measured.
const LAG_EVENTS: HeaderName = HeaderName::from_static("orders-lag-events");
/// How long the oldest event that is not in it yet has been waiting, in seconds.
const LAG_SECONDS: HeaderName = HeaderName::from_static("orders-lag-seconds");
/// `true` when the read model did not answer, and this is what it said last.
const STALE: HeaderName = HeaderName::from_static("orders-stale");

/// Orders on a page when nobody says how many.
const DEFAULT_PAGE: u32 = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderQuery {
    min_position: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrdersQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl QueryService {
    /// `GET /orders/{id}` and `GET /users/{id}/orders`. A layer around them puts the [`Identity`] into the request's extensions;
    /// without one, nothing is answered.
    ///
    /// With `?min_position=` an order is answered as it was at that position or later: the request waits for a bounded time, and is
    /// refused with 503 after it. Who asks for a position has seen that far, and would take an older answer for a lost order.
    /// Without it the answer may be older than what was just written, and says by its headers how much.
    ///
    /// A list comes in pages, the newest order first: `?limit=` orders (1 and more; more than [`MAX_PAGE`] are not given), and
    /// `?cursor=` with the `next_cursor` of the page before. Orders that are made meanwhile move nothing.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/orders/{id}", get(order))
            .route("/users/{id}/orders", get(orders_of_user))
            .with_state(self)
    }

    fn headers<T>(&self, answer: &Answer<T>, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(POSITION, HeaderValue::from(answer.position));
        if let Some(lag) = self.meter.latest() {
            headers.insert(LAG_EVENTS, HeaderValue::from(lag.events));
            let seconds = format!("{:.3}", lag.time.as_secs_f64());
            if let Ok(seconds) = HeaderValue::try_from(seconds) {
                headers.insert(LAG_SECONDS, seconds);
            }
        }
        if answer.is_stale {
            headers.insert(STALE, HeaderValue::from_static("true"));
        }
        response
    }
}

async fn order(
    State(service): State<Arc<QueryService>>,
    extensions: Extensions,
    order_id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<OrderQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let asks = asking(&extensions)?;
    let Path(order_id) = order_id.map_err(|_| malformed("the order's id must be a UUID"))?;
    let Query(query) = query.map_err(|error| malformed(error.body_text()))?;
    let answer = service.order(order_id, query.min_position).await?;
    let Some(found) = &answer.value else {
        let missing = Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no such order, or the read side has not seen it yet: ask with the min_position that its making was answered with",
        );
        return Ok(service.headers(&answer, missing.into_response()));
    };
    may_see(asks, found.row.user_id)?;
    let body = Json(json!({
        "order": shown(&found.row),
        "position": answer.position,
        // Of an order that is held, events wait for an operator.
        "stale": answer.is_stale || found.is_held,
    }));
    Ok(service.headers(&answer, body.into_response()))
}

async fn orders_of_user(
    State(service): State<Arc<QueryService>>,
    extensions: Extensions,
    user_id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<OrdersQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let asks = asking(&extensions)?;
    let Path(user_id) = user_id.map_err(|_| malformed("the user's id must be a UUID"))?;
    let Query(query) = query.map_err(|error| malformed(error.body_text()))?;
    may_see(asks, user_id)?;
    let limit = match query.limit {
        Some(0) => return Err(malformed("limit: 0; it must be from 1 to 100")),
        limit => limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE),
    };
    let cursor = query
        .cursor
        .map_or(Some(Cursor { before: u64::MAX }), |text| {
            Cursor::decode(&text, user_id)
        });
    let cursor = cursor.ok_or_else(|| {
        malformed("cursor: it must be the next_cursor of an earlier page of this list, unchanged")
    })?;
    // One more than asked for tells whether there is another page.
    let answer = service.orders_of(user_id, cursor.before, limit + 1).await?;
    let page = &answer.value[..answer.value.len().min(limit as usize)];
    let is_last = answer.value.len() <= limit as usize;
    let next = page.last().filter(|_| !is_last).map(|last| {
        let cursor = Cursor {
            before: last.created_position,
        };
        cursor.encode(user_id)
    });
    let body = Json(json!({
        "orders": page.iter().map(shown).collect::<Vec<_>>(),
        "next_cursor": next,
        "position": answer.position,
        "stale": answer.is_stale,
    }));
    Ok(service.headers(&answer, body.into_response()))
}

/// The order as clients see it.
fn shown(row: &OrderRow) -> Value {
    let mut body = row.body.clone();
    if let Value::Object(fields) = &mut body {
        for (name, moment) in [
            ("created_at", row.created_at),
            ("updated_at", row.updated_at),
        ] {
            fields.insert(name.to_owned(), moment.format(&Rfc3339).ok().into());
        }
    }
    body
}

fn asking(extensions: &Extensions) -> Result<&Identity, Problem> {
    let asks = extensions.get::<Identity>().ok_or_else(|| {
        let detail = "say who you are: Authorization: Bearer <token>";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    })?;
    let reads = [Scope::OrdersRead, Scope::OrdersReadAll];
    if reads.iter().any(|scope| asks.scopes.contains(scope)) {
        Ok(asks)
    } else {
        Err(forbidden("this token does not allow to read orders"))
    }
}

/// One's own orders, or everybody's with the scope for it.
fn may_see(asks: &Identity, owner: Uuid) -> Result<(), Problem> {
    let is_own = asks.user_id == Some(owner) && asks.scopes.contains(&Scope::OrdersRead);
    if is_own || asks.scopes.contains(&Scope::OrdersReadAll) {
        Ok(())
    } else {
        Err(forbidden("these are somebody else's orders"))
    }
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::Behind { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "behind", detail)
                    .retry_after(Duration::from_secs(1))
            }
            QueryError::Unavailable { retry_after } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                    .retry_after(retry_after)
            }
            QueryError::TimedOut => Self::new(StatusCode::GATEWAY_TIMEOUT, "timed-out", detail),
            QueryError::Damaged => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", detail),
        }
    }
}
