//! The routes that change orders.

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::CommandHandler;
use super::handler::{Answer, Wanted};
use super::request::Asked;
use crate::auth::Scope;
use crate::order::{CreateOrder, OrderCommand, OrderItem};
use crate::problem::Problem;

/// The longest body, in bytes: some thousand items.
pub const MAX_BODY: usize = 256 * 1024;

/// The longest reason, in bytes.
const MAX_REASON: usize = 500;

/// `POST /orders`, and `/orders/{id}/pay|ship|deliver|cancel|refund`. They expect an [`crate::auth::Identity`] in a request's extensions.
pub fn routes(handler: CommandHandler) -> Router {
    Router::new()
        .route("/orders", post(create))
        .route("/orders/{id}/pay", post(pay))
        .route("/orders/{id}/ship", post(ship))
        .route("/orders/{id}/deliver", post(deliver))
        .route("/orders/{id}/cancel", post(cancel))
        .route("/orders/{id}/refund", post(refund))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(handler)
}

/// A new order, as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    order_id: Option<Uuid>,
    items: Vec<OrderItem>,
}

/// Nothing to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyRequest {}

/// Why an order is given up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonRequest {
    reason: Option<String>,
}

impl ReasonRequest {
    fn reason(self, unsaid: &str) -> Result<String, Problem> {
        let reason = self.reason.unwrap_or_else(|| unsaid.to_owned());
        if reason.len() <= MAX_REASON && !reason.contains(char::is_control) {
            return Ok(reason);
        }
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            format!(
                "reason: {} bytes: at most {MAX_REASON} are allowed, without control characters",
                reason.len()
            ),
        ))
    }
}

async fn create(State(handler): State<CommandHandler>, asked: Asked) -> Result<Answer, Problem> {
    asked.identity.require(Scope::OrdersWrite)?;
    let user_id = asked.user()?;
    let request: CreateRequest = asked.json()?;
    let order_id = request.order_id.unwrap_or_else(Uuid::now_v7);
    let command = OrderCommand::CreateOrder(CreateOrder {
        order_id,
        user_id,
        items: request.items,
    });
    // Nobody's yet: there is no owner to be.
    handler.handle(wanted(asked, None, order_id, command)).await
}

async fn pay(
    State(handler): State<CommandHandler>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    let owner = owner(&asked)?;
    asked.json_or_default::<EmptyRequest>()?;
    let payment_id = Uuid::now_v7();
    let command = OrderCommand::PayOrder { payment_id };
    handler
        .handle(wanted(asked, owner, order_id(&id)?, command))
        .await
}

async fn ship(
    State(handler): State<CommandHandler>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    asked.identity.require(Scope::OrdersFulfil)?;
    asked.json_or_default::<EmptyRequest>()?;
    let shipment_id = Uuid::now_v7();
    let command = OrderCommand::ShipOrder { shipment_id };
    handler
        .handle(wanted(asked, None, order_id(&id)?, command))
        .await
}

async fn deliver(
    State(handler): State<CommandHandler>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    asked.identity.require(Scope::OrdersFulfil)?;
    asked.json_or_default::<EmptyRequest>()?;
    handler
        .handle(wanted(
            asked,
            None,
            order_id(&id)?,
            OrderCommand::DeliverOrder,
        ))
        .await
}

async fn cancel(
    State(handler): State<CommandHandler>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    let owner = owner(&asked)?;
    let reason = asked.json_or_default::<ReasonRequest>()?;
    let command = OrderCommand::CancelOrder {
        reason: reason.reason("cancelled by its user")?,
        refund_id: Uuid::now_v7(),
    };
    handler
        .handle(wanted(asked, owner, order_id(&id)?, command))
        .await
}

async fn refund(
    State(handler): State<CommandHandler>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    asked.identity.require(Scope::OrdersFulfil)?;
    let reason = asked.json_or_default::<ReasonRequest>()?;
    let command = OrderCommand::RefundOrder {
        reason: reason.reason("refunded")?,
        refund_id: Uuid::now_v7(),
    };
    handler
        .handle(wanted(asked, None, order_id(&id)?, command))
        .await
}

fn wanted(asked: Asked, owner: Option<Uuid>, order_id: Uuid, command: OrderCommand) -> Wanted {
    Wanted {
        owner,
        order_id,
        command,
        context: asked.context,
        key: asked.key,
    }
}

/// Whose orders may be paid and cancelled: one's own.
fn owner(asked: &Asked) -> Result<Option<Uuid>, Problem> {
    asked.identity.require(Scope::OrdersWrite)?;
    asked.user().map(Some)
}

fn order_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(text).map_err(|_| {
        let detail = "the order's id in the path is no UUID";
        Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
    })
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = json!({ "order": self.order, "position": self.position });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::CREATED || self.status == StatusCode::ACCEPTED {
            let location = format!("/orders/{}", self.order.order_id);
            // A UUID has nothing that a header must not have.
            if let Ok(location) = HeaderValue::try_from(location) {
                headers.insert(header::LOCATION, location);
            }
        }
        if self.is_replay {
            headers.insert(
                HeaderName::from_static("idempotent-replayed"),
                HeaderValue::from_static("true"),
            );
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
