//! Who asks, and what they may.
//!
//! A request carries a bearer token; the service keeps only the tokens' digests. The gateway verifies it, and each service again: being
//! reachable from the gateway makes nobody trustworthy.

mod layer;
mod tokens;

pub use layer::{authenticate, authenticated};
pub use tokens::{NewToken, Tokens, TokensError};

use std::collections::BTreeSet;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Problem;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// See one's own orders.
    OrdersRead,
    /// Make, pay and cancel one's own orders.
    OrdersWrite,
    /// Ship, deliver and refund anybody's.
    OrdersFulfil,
    /// See everybody's.
    OrdersReadAll,
}

impl Scope {
    /// The word that stands in the tokens' file.
    pub fn word(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders-read",
            Self::OrdersWrite => "orders-write",
            Self::OrdersFulfil => "orders-fulfil",
            Self::OrdersReadAll => "orders-read-all",
        }
    }
}

/// Who asks: found by a request's token, and put into its extensions. A handler that takes one as an argument answers 401 where there is
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of the token's holder; stands in the metadata of events.
    pub subject: String,
    /// The user whose orders are their own; none for a service.
    pub user_id: Option<Uuid>,
    /// What they may.
    pub scopes: BTreeSet<Scope>,
}

impl Identity {
    /// Goes on only with this scope.
    ///
    /// # Errors
    /// 403, naming the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let detail = format!("This needs a token with the scope {}.", scope.word());
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }
}
