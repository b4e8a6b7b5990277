//! [`RedisSubscription`]: a consumer of a group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::streams::{StreamAutoClaimReply, StreamId, StreamPendingCountReply, StreamReadReply};
use ::redis::{Cmd, FromRedisValue, RedisResult, cmd, pipe};
use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::entry::{self, entry_id};
use super::is_missing_group;
use super::link::{Link, unavailable};
use crate::bus::{BusError, BusOptions, Delivery, Parked, Subscription, never_finished};

/// The stream of all events, and the stream of those that the group is to be handed again.
const SOURCES: [usize; 2] = [0, 1];
/// The second of them.
const AGAIN: usize = 1;

pub(super) struct RedisSubscription {
    link: Arc<Link>,
    sources: [String; 2],
    parked: String,
    group: String,
    consumer: String,
    options: BusOptions,
    /// Reads that wait would hold up everybody else on a shared connection.
    connection: Option<MultiplexedConnection>,
    /// The last of this consumer's own unfinished entries that was handed out again; none when that is over.
    unfinished: [Option<String>; 2],
    /// When to look for what others have not finished.
    reclaim_at: Instant,
    /// The entries of the second stream that are handed out, by position.
    again: HashMap<u64, String>,
    /// A read has begun and not ended: if it is so at the next one, entries may have been handed to nobody.
    is_reading: bool,
}

impl RedisSubscription {
    pub(super) fn new(
        link: Arc<Link>,
        sources: [String; 2],
        parked: String,
        group: &str,
        consumer: &str,
        options: BusOptions,
    ) -> Self {
        Self {
            link,
            sources,
            parked,
            group: group.to_owned(),
            consumer: consumer.to_owned(),
            options,
            connection: None,
            unfinished: from_the_start(),
            reclaim_at: Instant::now(),
            again: HashMap::new(),
            is_reading: false,
        }
    }

    /// Makes the group where there is none: at the oldest event.
    pub(super) async fn make_groups(&self) -> Result<(), BusError> {
        for key in &self.sources {
            let make = |mut connection| async move {
                let mut create = cmd("XGROUP");
                create.arg("CREATE").arg(key).arg(&self.group);
                create.arg("0").arg("MKSTREAM");
                match create.exec_async(&mut connection).await {
                    Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
                    made => made,
                }
            };
            self.link.ask(make).await?;
        }
        Ok(())
    }

    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let end = Instant::now() + wait;
        loop {
            for source in SOURCES {
                let deliveries = self.own_unfinished(source, max).await?;
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
            }
            let now = Instant::now();
            if now >= self.reclaim_at {
                self.reclaim_at = now + self.options.reclaim_after / 4;
                for source in SOURCES {
                    let deliveries = self.others_unfinished(source, max).await?;
                    if !deliveries.is_empty() {
                        // There may be more of them.
                        self.reclaim_at = now;
                        return Ok(deliveries);
                    }
                }
            }
            let until = end.min(self.reclaim_at).max(now);
            let deliveries = self.new_ones(max, until - now).await?;
            if !deliveries.is_empty() || Instant::now() >= end {
                return Ok(deliveries);
            }
        }
    }

    /// What this consumer has taken and not finished, before it was interrupted.
    async fn own_unfinished(
        &mut self,
        source: usize,
        max: usize,
    ) -> Result<Vec<Delivery>, BusError> {
        let Some(from) = self.unfinished[source].clone() else {
            return Ok(Vec::new());
        };
        let mut read = self.read_group(max);
        read.arg("STREAMS").arg(&self.sources[source]).arg(from);
        let reply: StreamReadReply = self.send(&read, Duration::ZERO).await?;
        let ids: Vec<StreamId> = reply.keys.into_iter().flat_map(|key| key.ids).collect();
        self.unfinished[source] = ids.last().map(|entry| entry.id.clone());
        self.handed_again(source, ids).await
    }

    /// What other consumers have taken and not finished in time.
    async fn others_unfinished(
        &mut self,
        source: usize,
        max: usize,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(&self.sources[source]).arg(&self.group);
        claim.arg(&self.consumer);
        claim.arg(self.options.reclaim_after.as_millis() as u64);
        claim.arg("0-0").arg("COUNT").arg(max);
        let reply: StreamAutoClaimReply = self.send(&claim, Duration::ZERO).await?;
        for id in &reply.deleted_ids {
            tracing::error!(id, "an event was trimmed before it was handled");
        }
        self.handed_again(source, reply.claimed).await
    }

    async fn new_ones(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let mut read = self.read_group(max);
        if !wait.is_zero() {
            // 0 would be for ever.
            read.arg("BLOCK").arg((wait.as_millis() as u64).max(1));
        }
        read.arg("STREAMS").arg(&self.sources).arg(">").arg(">");
        let reply: Option<StreamReadReply> = self.send(&read, wait).await?;
        let mut deliveries = Vec::new();
        for key in reply.map_or_else(Vec::new, |reply| reply.keys) {
            let source = usize::from(key.key != self.sources[0]);
            for entry in key.ids {
                deliveries.extend(self.handed(source, &entry, 1).await?);
            }
        }
        Ok(deliveries)
    }

    async fn handed_again(
        &mut self,
        source: usize,
        entries: Vec<StreamId>,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut deliveries = Vec::new();
        for entry in entries {
            let mut pending = cmd("XPENDING");
            pending.arg(&self.sources[source]).arg(&self.group);
            pending.arg(&entry.id).arg(&entry.id).arg(1);
            let reply: StreamPendingCountReply = self.send(&pending, Duration::ZERO).await?;
            // Not pending any more: somebody has just finished it.
            if let Some(pending) = reply.ids.first() {
                let attempt = u32::try_from(pending.times_delivered).unwrap_or(u32::MAX);
                deliveries.extend(self.handed(source, &entry, attempt).await?);
            }
        }
        Ok(deliveries)
    }

    /// The event of an entry, unless it is none, or was handed out too often: that is parked.
    async fn handed(
        &mut self,
        source: usize,
        entry: &StreamId,
        attempt: u32,
    ) -> Result<Option<Delivery>, BusError> {
        if entry.map.is_empty() {
            tracing::error!(id = entry.id, "an event was trimmed before it was handled");
            self.settle(source, &entry.id, None).await?;
            return Ok(None);
        }
        let delivery = match entry::delivery(entry, attempt) {
            Ok(delivery) => delivery,
            Err(reason) => {
                tracing::error!(id = entry.id, reason, "an entry is no event: parked");
                let raw = format!("{reason}: {:?}", entry.map);
                self.settle(
                    source,
                    &entry.id,
                    Some((format!("entry {}", entry.id), raw)),
                )
                .await?;
                return Ok(None);
            }
        };
        if source == AGAIN {
            self.again.insert(delivery.event.position, entry.id.clone());
        }
        if attempt > self.options.max_attempts {
            self.put_aside(&delivery, never_finished(attempt - 1))
                .await?;
            return Ok(None);
        }
        Ok(Some(delivery))
    }

    async fn put_aside(&mut self, delivery: &Delivery, reason: String) -> Result<(), BusError> {
        let position = delivery.event.position;
        tracing::warn!(position, reason, group = self.group, "an event was parked");
        let parked = Parked {
            event: delivery.event.clone(),
            previous: delivery.previous,
            reason,
            attempts: delivery.attempt,
            parked_at: OffsetDateTime::now_utc(),
        };
        let parked =
            serde_json::to_string(&parked).map_err(|error| BusError::Corrupt(error.to_string()))?;
        let parked = Some((position.to_string(), parked));
        match self.again.get(&position).cloned() {
            Some(id) => self.settle(AGAIN, &id, parked).await?,
            None => self.settle(0, &entry_id(position), parked).await?,
        }
        self.again.remove(&position);
        Ok(())
    }

    /// Acknowledges an entry, and keeps what is to be parked: both or none.
    async fn settle(
        &self,
        source: usize,
        id: &str,
        parked: Option<(String, String)>,
    ) -> Result<(), BusError> {
        let mut all = pipe();
        all.atomic();
        if let Some((field, value)) = parked {
            all.cmd("HSET").arg(&self.parked).arg(field).arg(value);
        }
        all.cmd("XACK").arg(&self.sources[source]);
        all.arg(&self.group).arg(id);
        if source == AGAIN {
            // Only this group reads it.
            all.cmd("XDEL").arg(&self.sources[source]).arg(id);
        }
        let all = &all;
        self.link
            .ask(|mut connection| async move { all.exec_async(&mut connection).await })
            .await
    }

    fn read_group(&self, max: usize) -> Cmd {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(&self.consumer);
        read.arg("COUNT").arg(max);
        read
    }

    /// Sends a command that may wait so long. A group that is not there is made: the server has lost its data.
    async fn send<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        wait: Duration,
    ) -> Result<T, BusError> {
        let patience = wait + self.link.timeout();
        let sent = timeout(patience, self.send_once(command)).await;
        match sent.map_err(|_| unavailable(format!("no answer within {patience:?}")))? {
            Err(error) if is_missing_group(&error) => {
                self.make_groups().await?;
                let sent = timeout(patience, self.send_once(command)).await;
                let sent = sent.map_err(|_| unavailable("no answer"))?;
                Ok(sent?)
            }
            sent => Ok(sent?),
        }
    }

    async fn send_once<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.link.connect().await?),
        };
        command.query_async(connection).await
    }
}

fn from_the_start() -> [Option<String>; 2] {
    [(); 2].map(|()| Some("0-0".to_owned()))
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        if std::mem::replace(&mut self.is_reading, true) {
            self.connection = None;
            self.unfinished = from_the_start();
        }
        let link = Arc::clone(&self.link);
        let deliveries = link.wait(self.read(max, wait)).await?;
        self.is_reading = false;
        Ok(deliveries)
    }

    async fn acknowledge(&mut self, positions: &[u64]) -> Result<(), BusError> {
        if positions.is_empty() {
            return Ok(());
        }
        let [events, again] = &self.sources;
        let mut all = pipe();
        all.atomic().cmd("XACK").arg(events).arg(&self.group);
        for position in positions {
            all.arg(entry_id(*position));
        }
        for id in positions.iter().filter_map(|one| self.again.get(one)) {
            all.cmd("XACK").arg(again).arg(&self.group).arg(id);
            all.cmd("XDEL").arg(again).arg(id);
        }
        let all = &all;
        self.link
            .ask(|mut connection| async move { all.exec_async(&mut connection).await })
            .await?;
        for position in positions {
            self.again.remove(position);
        }
        Ok(())
    }

    async fn park(&mut self, delivery: &Delivery, reason: &str) -> Result<(), BusError> {
        self.put_aside(delivery, reason.to_owned()).await
    }
}
