//! The read side on real databases: bus, projection, query.

#[path = "read/bus.rs"]
mod bus;
#[path = "read/cursor.rs"]
mod cursor;
#[path = "read/deliveries.rs"]
mod deliveries;
#[path = "read/end_to_end.rs"]
mod end_to_end;
#[path = "read/killed.rs"]
mod killed;
#[path = "read/operate.rs"]
mod operate;
#[path = "read/outage.rs"]
mod outage;
#[path = "read/poison.rs"]
mod poison;
#[path = "read/rebuild.rs"]
mod rebuild;
#[path = "read/redis_lost.rs"]
mod redis_lost;
#[path = "read/world.rs"]
mod world;
