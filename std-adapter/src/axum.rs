//! axum: rejections as responses, a limit for each client as extractor or layer.
//!
//! ```
//! # #[cfg(feature = "full")] {
//! use axum::{Router, routing::get};
//! use fuseboard::axum::{AnswerLayer, RateLimited, RequestLimit, RequestLimitLayer};
//! use fuseboard::tower::BreakerLayer;
//! use fuseboard::{CircuitBreaker, CircuitBreakerConfig, Rate};
//!
//! // Ten a second for each key, twenty at once.
//! let limit = RequestLimit::for_each("api", Rate::per_second(10), 20, 10_000, |parts| {
//!     Some(parts.headers.get("x-api-key")?.to_str().ok()?.to_owned())
//! })?;
//! let breaker = CircuitBreaker::new("orders", CircuitBreakerConfig::default());
//!
//! let app: Router = Router::new()
//!     .route("/orders", get(async || "orders"))
//!     // Within `AnswerLayer`, the word of any policy becomes 429, 503 or 504.
//!     .layer(tower::ServiceBuilder::new().layer(AnswerLayer).layer(BreakerLayer::new(breaker)))
//!     .route_layer(RequestLimitLayer::new(limit.clone()));
//!
//! // Or where a handler asks for it:
//! async fn search(_: RateLimited) -> &'static str { "found" }
//! let app = app.route("/search", get(search)).layer(axum::Extension(limit));
//! # let _: Router = app;
//! # }
//! # Ok::<(), fuseboard::ConfigError>(())
//! ```

mod answer;
mod headers;
mod layer;
mod limit;

pub use answer::{Answer, AnswerLayer, Problem, problem};
pub use layer::{Limited, Limiting, RequestLimitLayer};
pub use limit::{RateLimited, RequestLimit};
