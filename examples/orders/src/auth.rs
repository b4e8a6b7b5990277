//! Who asks, and what they may.

use std::collections::BTreeSet;

use serde::Deserialize;
use uuid::Uuid;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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

/// Who asks: found by a request's token, and put into its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of the token's holder; stands in the metadata of events.
    pub subject: String,
    /// The user whose orders are their own; none for a service.
    pub user_id: Option<Uuid>,
    /// What they may.
    pub scopes: BTreeSet<Scope>,
}
