//! [`Engine`]: the server or cluster that hosts share, behind a deadline and a breaker.

use super::deadline::Timer;
use super::error::SetUpError;
use super::link::{Connection, Link, Target};
use super::script::Source;
use crate::breaker::{CircuitBreaker, CircuitBreakerConfig, Permit};
use crate::limiter::Unavailable;
use ::redis::cluster::ClusterClientBuilder;
use ::redis::io::tcp::TcpSettings;
use ::redis::{Client, FromRedisValue, IntoConnectionInfo, RedisError, ScriptInvocation};
use fuseboard_core::{State, Window};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How to reach an engine, where the defaults do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// No request waits longer for the engine; 1 ms to 10 s. Default 50 ms.
    pub deadline: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let deadline = Duration::from_millis(50);
        Self { deadline }
    }
}

/// A server, or a cluster, on which limiters keep their words. A clone is another handle of the same one.
///
/// It has two connections of its own, made with the first request and again whenever they are lost. Needs a tokio runtime.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// On one connection server and client would take turns.
    links: [Arc<Link>; 2],
    turn: AtomicUsize,
    breaker: CircuitBreaker,
    deadline: Duration,
}

impl Engine {
    /// One server, such as `redis://:password@host:6379/0`. Nothing is sent yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(url: &str) -> Result<Self, SetUpError> {
        Self::with_options(url, EngineOptions::default())
    }

    /// As [`new`](Self::new), with other options.
    ///
    /// # Errors
    /// The address is none, or an option is out of its range.
    pub fn with_options(url: &str, options: EngineOptions) -> Result<Self, SetUpError> {
        let address = |error: RedisError| SetUpError::address(&error);
        let info = url.into_connection_info().map_err(address)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(address)?;
        Self::at(&Target::One(Arc::new(client)), options)
    }

    /// A cluster, known by some of its servers.
    ///
    /// # Errors
    /// An address is none, there is none, or an option is out of its range.
    pub fn cluster(urls: &[&str], options: EngineOptions) -> Result<Self, SetUpError> {
        // What a moved slot costs is within the deadline; a take is sent again only where the answer says that it was not carried out.
        let builder = ClusterClientBuilder::new(urls.iter().copied())
            .tcp_settings(TcpSettings::default().set_nodelay(true))
            .connection_timeout(Duration::from_millis(200))
            .response_timeout(options.deadline)
            .overall_response_timeout(Some(options.deadline))
            .retries(2)
            .min_retry_wait(2)
            .max_retry_wait(10);
        let client = builder
            .build()
            .map_err(|error| SetUpError::address(&error))?;
        Self::at(&Target::Cluster(Arc::new(client)), options)
    }

    fn at(target: &Target, options: EngineOptions) -> Result<Self, SetUpError> {
        let EngineOptions { deadline } = options;
        let range = Duration::from_millis(1)..=Duration::from_secs(10);
        SetUpError::span("deadline", deadline, range, "1 ms to 10 s")?;
        let config = CircuitBreakerConfig {
            window: Some(Window::Count(10)),
            minimum_requests: 5,
            open_timeout: Duration::from_millis(100),
            half_open_requests: 1,
            ..Default::default()
        };
        Ok(Self {
            shared: Arc::new(Shared {
                links: [(); 2].map(|()| Link::new(target.clone())),
                turn: AtomicUsize::new(0),
                breaker: CircuitBreaker::new("redis", config),
                deadline,
            }),
        })
    }

    /// No request waits longer.
    pub fn deadline(&self) -> Duration {
        self.shared.deadline
    }

    /// The breaker that leaves the engine alone while it fails: to watch it, or to force it open.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.shared.breaker
    }

    /// Runs a script once, within the deadline.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &'static Source,
        key: &str,
        arguments: &[String],
    ) -> Result<T, Unavailable> {
        let asked = |call: &mut ScriptInvocation<'_>| {
            call.key(key).arg(arguments);
        };
        let mut timer = Timer::default();
        self.run_since(Instant::now(), &mut timer, script, asked)
            .await
    }

    /// The same, where it is waited for since a moment in the past, with the caller's timer; `asked` says the key and the arguments.
    pub(super) async fn run_since<T: FromRedisValue>(
        &self,
        since: Instant,
        timer: &mut Timer,
        script: &'static Source,
        asked: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, Unavailable> {
        let permit = self
            .shared
            .breaker
            .try_acquire()
            .map_err(|_| Unavailable::BreakerOpen)?;
        if self.shared.breaker.state() != State::Closed {
            // Whether it is back is found out without anybody's request.
            tokio::spawn(self.clone().probe(permit));
            return Err(Unavailable::BreakerOpen);
        }
        let result = self.within_deadline(since, timer, async |mut connection: Connection| {
            let mut invocation = script.prepare_invoke();
            asked(&mut invocation);
            invocation.invoke_async(&mut connection).await
        });
        let result = result.await;
        match &result {
            Ok(_) => permit.success(),
            Err(error) if error.is_failure() => permit.failure(),
            Err(_) => permit.ignore(),
        };
        result
    }

    /// Asks for nothing but an answer.
    async fn probe(self, permit: Permit) {
        let mut timer = Timer::default();
        let ping = self.within_deadline(
            Instant::now(),
            &mut timer,
            async |mut connection: Connection| {
                ::redis::cmd("PING")
                    .query_async::<String>(&mut connection)
                    .await
            },
        );
        match ping.await {
            Ok(_) => permit.success(),
            Err(_) => permit.failure(),
        };
    }

    async fn within_deadline<T>(
        &self,
        since: Instant,
        timer: &mut Timer,
        work: impl AsyncFnOnce(Connection) -> Result<T, RedisError>,
    ) -> Result<T, Unavailable> {
        // Relaxed: which of the two does not matter.
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let [link, other] = [0, 1].map(|next| &self.shared.links[(turn + next) % 2]);
        let mut was_sent = false;
        let end = since + self.shared.deadline;
        let result = timer.bound(end, async {
            let (link, (connection, number)) = match link.get().await {
                Ok(connection) => (link, connection),
                Err(_) => (other, other.get().await?),
            };
            was_sent = true;
            let result = work(connection).await;
            if let Err(error) = &result
                && (error.is_unrecoverable_error() || error.code() == Some("READONLY"))
            {
                // A server that has become a replica: its name may lead to another one by now.
                link.lost(number);
            }
            result.map_err(|error| Unavailable::from(&error))
        });
        result.await.unwrap_or_else(|| {
            Err(if was_sent {
                Unavailable::TimedOut
            } else {
                Unavailable::NotConnected
            })
        })
    }
}
