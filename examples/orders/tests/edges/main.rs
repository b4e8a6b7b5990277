//! The edges of the order service, over real sockets: providers that fail by script and by being killed, the policies around them, the
//! gateway, and who finishes what was begun.

mod fulfilment;
mod gateway;
mod payment;
mod place;
mod provider;
mod security;
mod service;
mod shipping;
mod statuses;
