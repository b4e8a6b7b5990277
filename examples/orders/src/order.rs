//! The order: what may be asked of it ([`OrderCommand`]), what happened to it ([`OrderEvent`]), and the two functions between them,
//! [`decide`] and [`evolve`]. Nothing else changes an order, and neither of them does anything else.

mod command;
mod decide;
mod event;
mod evolve;
mod upcast;

pub use command::{CreateOrder, OrderCommand};
pub use decide::{Rejected, decide};
pub use event::{OrderEvent, OrderItem};
pub use evolve::{Corrupt, Order, OrderStatus, Payment, evolve, fold};
pub use upcast::{SCHEMA_VERSION, UnknownEvent, decode, encode};
