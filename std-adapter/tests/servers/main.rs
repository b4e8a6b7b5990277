//! The layers where they are used: in axum's router, under tonic's server, around reqwest's client.

mod axum;
mod endpoints;
mod reqwest;
mod tonic;
