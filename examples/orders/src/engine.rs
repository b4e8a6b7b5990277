//! Real PostgreSQL and Redis servers of our own, for tests and the storm: on loopback, on free ports, with their data in a folder that is
//! gone with them. They can be stopped, killed, paused, and started again on the same port and data. Dropped, they are killed.

mod account;
mod postgres;
mod process;
mod redis;

pub use postgres::PostgresEngine;
pub use redis::RedisEngine;
