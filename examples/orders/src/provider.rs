//! The programs behind the edges: a payment provider with its regions, and a carrier. They stand for other people's services, so they
//! are processes of their own, they keep a durable book, and they fail when they are told to.
//!
//! | | payment provider | shipping provider |
//! |---|---|---|
//! | does | `POST /charges`, `POST /refunds` | `POST /shipments` |
//! | recognises | the payment's or refund's id: asked twice, it takes or gives the money once | the shipment's id: asked twice, there is one parcel |
//! | its processes | regions, over one book | carriers, over one book |
//!
//! Both: `GET /ledger` (the book's sums), `GET /stats` (requests received), `GET` and `POST /faults` ([`Faults`]), `GET /health`.

mod faults;
mod ledger;
pub mod payment;
mod serve;
pub mod shipping;

pub use faults::Faults;
pub use ledger::{Books, Charge, Ledger, LedgerEntry, LedgerError};
pub use serve::serve;
