//! Every policy on paused time: what it promises, dropped at every await point, and when the call inside panics.

mod adaptive;
mod cache;
mod chaos;
mod coalesce;
mod drops;
mod failover;
mod fallback;
mod hedge;
mod isolation;
mod keyed;
mod pipeline;
mod queue;
mod random_pipelines;
mod rate_limit;
mod retry;
mod saga;
mod timeout;
