//! [`Link`]: one connection to the engine, which comes back by itself.

use crate::limiter::Unavailable;
use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Between two tries to connect: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// A try to connect takes no longer.
const CONNECTING: Duration = Duration::from_millis(500);

/// Where the engine is.
#[derive(Clone)]
pub(super) enum Target {
    One(Arc<Client>),
    Cluster(Arc<ClusterClient>),
}

/// A connection to one server, or to all of a cluster.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[derive(Clone)]
enum State {
    /// Nobody has tried yet, or who tried is gone with its runtime.
    Idle,
    /// The first try is on its way: a request may wait for it.
    Connecting,
    Ready(Connection, u64),
    /// It has failed, and is tried again and again: no request waits.
    Down,
}

/// One connection to the engine.
pub(super) struct Link {
    target: Target,
    state: watch::Sender<State>,
}

impl Link {
    pub(super) fn new(target: Target) -> Arc<Self> {
        let state = watch::Sender::new(State::Idle);
        Arc::new(Self { target, state })
    }

    /// The connection, and which one it is in the order of all.
    pub(super) async fn get(self: &Arc<Self>) -> Result<(Connection, u64), Unavailable> {
        if let State::Ready(connection, number) = &*self.state.borrow() {
            return Ok((connection.clone(), *number));
        }
        let mut changes = self.state.subscribe();
        loop {
            // Decided with the guard, awaited without it.
            let now = changes.borrow_and_update().clone();
            match now {
                State::Ready(connection, number) => return Ok((connection, number)),
                State::Down => return Err(Unavailable::NotConnected),
                State::Idle => self.start(),
                State::Connecting => {
                    // The sender is this link's own.
                    let _ = changes.changed().await;
                }
            }
        }
    }

    /// Connection `number` is no good any more: another one is made.
    pub(super) fn lost(self: &Arc<Self>, number: u64) {
        let is_lost = self.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Ready(_, other) if *other == number);
            if is_it {
                *state = State::Idle;
            }
            is_it
        });
        if is_lost {
            self.start();
        }
    }

    /// Begins to connect, unless somebody else has.
    fn start(self: &Arc<Self>) {
        let begins = self.state.send_if_modified(|state| {
            let is_idle = matches!(state, State::Idle);
            if is_idle {
                *state = State::Connecting;
            }
            is_idle
        });
        if begins {
            let attempt = Attempt(Arc::downgrade(self));
            tokio::spawn(attempt.run());
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let connection = match &self.target {
            Target::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECTING))
                    // Each request has a timer already.
                    .set_response_timeout(None);
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Connection::One(connecting.await?)
            }
            Target::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        };
        Ok(connection)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.state.borrow() {
            State::Idle | State::Connecting => "connecting",
            State::Ready(..) => "connected",
            State::Down => "not connected",
        })
    }
}

/// Who connects. Dropped with its runtime, it leaves the link to the next one.
struct Attempt(Weak<Link>);

impl Attempt {
    async fn run(self) {
        let mut pause = PAUSES[0];
        for number in fresh_number().. {
            let Some(link) = self.0.upgrade() else { return };
            let connecting = tokio::time::timeout(2 * CONNECTING, link.connect());
            if let Ok(Ok(connection)) = connecting.await {
                link.state.send_replace(State::Ready(connection, number));
                return;
            }
            link.state.send_replace(State::Down);
            drop(link);
            tokio::time::sleep(jittered(pause)).await;
            pause = (2 * pause).min(PAUSES[1]);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.state.send_if_modified(|state| {
                let is_unfinished = !matches!(state, State::Ready(..));
                if is_unfinished {
                    *state = State::Idle;
                }
                is_unfinished
            });
        }
    }
}

/// Half of it at least, all of it at most, so that many processes do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let share = u32::try_from(crate::breaker::fresh_seed() % 512).unwrap_or(0);
    pause * (512 + share) / 1024
}

/// No two connections of a process have the same.
fn fresh_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: it is only ever compared. A try counts on from here, far below the next one's.
    NEXT.fetch_add(1 << 20, Ordering::Relaxed)
}
