//! An order service with command and query sides and an event store, guarded at every edge by Fuseboard.
//!
//! The flow of an order, and the file that has each stage:
//!
//! ```text
//! client -> gateway -> command -> order (decide) -> store (append) -> bus (relay) -> projection -> query -> gateway -> client
//!                                   \-> payment, shipping -> provider (separate programs)
//! ```

pub mod auth;
pub mod bench;
pub mod bus;
pub mod command;
pub mod context;
pub mod edge;
pub mod engine;
pub mod fulfilment;
pub mod gateway;
pub mod money;
pub mod observe;
pub mod order;
pub mod payment;
pub mod problem;
pub mod projection;
pub mod provider;
pub mod query;
pub mod serve;
pub mod settings;
pub mod shipping;
pub mod store;
pub mod storm;
