//! [`RedisBus`]: events in a Redis stream.

mod entry;
mod link;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::streams::{
    StreamInfoConsumersReply, StreamInfoStreamReply, StreamPendingCountReply, StreamPendingReply,
};
use ::redis::{AsyncCommands, FromRedisValue, RedisError, Value, cmd, pipe};
use async_trait::async_trait;
use fuseboard::CircuitBreaker;

use super::{BusError, BusOptions, EventBus, GroupLag, Parked, Subscription};
use crate::store::StoredEvent;
use entry::{entry_id, position_of};
use link::Link;
use subscription::RedisSubscription;

/// How a bus in Redis works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisBusOptions {
    /// When events are handed out again, and when they are parked. So many are kept, or up to a hundred more.
    pub bus: BusOptions,
    /// What the names of its keys begin with.
    pub prefix: String,
    /// How long one request may take, a wait for events not counted.
    pub timeout: Duration,
    /// How long a server that fails is left alone at first.
    pub open_timeout: Duration,
    /// A consumer that has been away for so long, and left nothing unfinished, is forgotten when another one joins its group.
    pub forget_after: Duration,
}

impl Default for RedisBusOptions {
    fn default() -> Self {
        Self {
            bus: BusOptions::default(),
            prefix: "orders:events".to_owned(),
            timeout: Duration::from_secs(1),
            open_timeout: Duration::from_millis(500),
            forget_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A bus in a Redis stream, for all processes of all hosts.
///
/// An event's id in the stream is `<position>-0`. Redis refuses an id that is not greater than the last, also after the entry is gone: so
/// an event that is published twice, or by two relays, is there once and in its place.
#[derive(Clone)]
pub struct RedisBus {
    link: Arc<Link>,
    keys: Arc<Keys>,
    options: BusOptions,
    forget_after: Duration,
}

/// The names of what it keeps.
struct Keys {
    /// The stream.
    events: String,
    prefix: String,
}

impl Keys {
    /// A hash: what a group has parked, by position.
    fn parked(&self, group: &str) -> String {
        format!("{}:parked:{group}", self.prefix)
    }

    /// A stream of its own: what a group is to be handed again.
    fn again(&self, group: &str) -> String {
        format!("{}:again:{group}", self.prefix)
    }
}

impl RedisBus {
    /// At `redis://…`. Nothing is connected yet: a server that is away is found out by the first who asks.
    ///
    /// # Errors
    /// The URL cannot be read, or a setting is out of its range.
    pub fn open(url: &str, options: &RedisBusOptions) -> anyhow::Result<Self> {
        let keys = Keys {
            events: options.prefix.clone(),
            prefix: options.prefix.clone(),
        };
        Ok(Self {
            link: Arc::new(Link::open(url, options)?),
            keys: Arc::new(keys),
            options: options.bus,
            forget_after: options.forget_after,
        })
    }

    /// Each process that joins a group under a name of its own would else stay in it for ever.
    async fn forget_consumers(&self, group: &str) -> Result<(), BusError> {
        let again = self.keys.again(group);
        for key in [&self.keys.events, &again] {
            let after = self.forget_after.as_millis();
            let forget = |mut connection: MultiplexedConnection| async move {
                let known: StreamInfoConsumersReply =
                    connection.xinfo_consumers(key, group).await?;
                for one in known.consumers {
                    if one.pending == 0 && one.idle as u128 > after {
                        let mut delete = cmd("XGROUP");
                        delete.arg("DELCONSUMER").arg(key).arg(group);
                        delete.arg(&one.name).exec_async(&mut connection).await?;
                    }
                }
                Ok(())
            };
            self.link.ask(forget).await?;
        }
        Ok(())
    }

    /// Its breaker, for telemetry and the dashboard.
    pub fn breaker(&self) -> &CircuitBreaker {
        self.link.breaker()
    }
}

#[async_trait]
impl EventBus for RedisBus {
    async fn publish(&self, after: u64, events: &[StoredEvent]) -> Result<(), BusError> {
        if events.is_empty() {
            return Ok(());
        }
        // All or none: else a server that runs out of memory for a moment could leave one out.
        let mut all = pipe();
        all.atomic();
        let mut previous = after;
        for event in events {
            all.cmd("XADD").arg(&self.keys.events);
            all.arg("MAXLEN").arg("~").arg(self.options.retained);
            all.arg(entry_id(event.position));
            for field in entry::fields(event, previous)? {
                all.arg(field);
            }
            previous = event.position;
        }
        let all = &all;
        self.link
            .ask(|mut connection| async move {
                // The answer to EXEC alone: what was answered before it says only that it was queued.
                let answers = connection
                    .req_packed_commands(all, all.len() + 1, 1)
                    .await?;
                answers.into_iter().try_for_each(only_refused)
            })
            .await
    }

    async fn last_published(&self) -> Result<u64, BusError> {
        let last = self.link.ask(|mut connection| async move {
            let mut info = cmd("XINFO");
            info.arg("STREAM").arg(&self.keys.events);
            match info
                .query_async::<StreamInfoStreamReply>(&mut connection)
                .await
            {
                Ok(info) => Ok(info.last_generated_id),
                Err(error)
                    if error
                        .detail()
                        .is_some_and(|text| text.contains("no such key")) =>
                {
                    Ok("0-0".to_owned())
                }
                Err(error) => Err(error),
            }
        });
        let last = last.await?;
        position_of(&last).ok_or_else(|| BusError::Corrupt(format!("the entry id {last}")))
    }

    async fn subscribe(
        &self,
        group: &str,
        consumer: &str,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let sources = [self.keys.events.clone(), self.keys.again(group)];
        let parked = self.keys.parked(group);
        let link = Arc::clone(&self.link);
        let subscription =
            RedisSubscription::new(link, sources, parked, group, consumer, self.options);
        subscription.make_groups().await?;
        self.forget_consumers(group).await?;
        Ok(Box::new(subscription))
    }

    async fn lag(&self, group: &str) -> Result<GroupLag, BusError> {
        let (again, parked) = (self.keys.again(group), self.keys.parked(group));
        let (again, parked) = (&again, &parked);
        self.link
            .ask(|mut connection| async move {
                let mut lag = GroupLag {
                    parked: connection.hlen(parked).await?,
                    ..GroupLag::default()
                };
                for key in [&self.keys.events, again] {
                    let mut pending = cmd("XPENDING");
                    pending.arg(key).arg(group);
                    let count = match pending.query_async(&mut connection).await {
                        Ok(StreamPendingReply::Data(data)) => data.count as u64,
                        Ok(_) => 0,
                        Err(error) if is_missing_group(&error) => 0,
                        Err(error) => return Err(error),
                    };
                    if count > 0 {
                        pending.arg("-").arg("+").arg(100);
                        let oldest: StreamPendingCountReply =
                            pending.query_async(&mut connection).await?;
                        let oldest = oldest.ids.iter().map(|one| one.last_delivered_ms).max();
                        let oldest = Duration::from_millis(oldest.unwrap_or(0) as u64);
                        lag.pending += count;
                        lag.oldest_pending = lag.oldest_pending.max(oldest);
                    }
                }
                Ok(lag)
            })
            .await
    }

    async fn parked(&self, group: &str) -> Result<Vec<Parked>, BusError> {
        let key = self.keys.parked(group);
        let key = &key;
        let all: Vec<String> = self
            .link
            .ask(|mut connection| async move { connection.hvals(key).await })
            .await?;
        // What is no event stays among them, for who looks with Redis' own tools.
        let known = all
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok());
        let mut parked: Vec<Parked> = known.collect();
        parked.sort_by_key(|parked| parked.event.position);
        Ok(parked)
    }

    async fn unpark(&self, group: &str, position: u64) -> Result<bool, BusError> {
        let (parked, again) = (self.keys.parked(group), self.keys.again(group));
        let key = &parked;
        let found: Option<String> = self
            .link
            .ask(|mut connection| async move { connection.hget(key, position).await })
            .await?;
        let Some(text) = found else {
            return Ok(false);
        };
        let found: Parked =
            serde_json::from_str(&text).map_err(|error| BusError::Corrupt(error.to_string()))?;
        let mut both = pipe();
        both.atomic().cmd("XADD").arg(again).arg("*");
        for field in entry::fields(&found.event, found.previous)? {
            both.arg(field);
        }
        both.cmd("HDEL").arg(&parked).arg(position);
        let both = &both;
        self.link
            .ask(|mut connection| async move { both.exec_async(&mut connection).await })
            .await?;
        Ok(true)
    }
}

/// An error, unless it says that the event is there already.
fn only_refused(answer: Value) -> Result<(), RedisError> {
    match answer {
        Value::Array(answers) => answers.into_iter().try_for_each(only_refused),
        Value::ServerError(error)
            if error
                .details()
                .is_some_and(|text| text.contains("equal or smaller")) =>
        {
            Ok(())
        }
        Value::ServerError(error) => Err(error.into()),
        answer => String::from_redis_value(answer)
            .map(drop)
            .map_err(Into::into),
    }
}

/// The group, or its stream, is not there: nobody has joined it yet, or Redis has lost its data.
fn is_missing_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}
