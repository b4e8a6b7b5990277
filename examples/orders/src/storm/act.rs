//! What is done to the service, drawn from a seed: each kind comes before any comes again.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::progress::Progress;
use super::world::{REGIONS, World};
use crate::engine::{PostgresEngine, RedisEngine};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    KillPreferredRegion,
    KillBothRegions,
    LosePaymentAnswers,
    SlowPayments,
    SlowShipping,
    FailShipping,
    RestartPostgres,
    KillPostgres,
    RestartRedis,
    PauseRedis,
    KillService,
}

impl Act {
    const ALWAYS: [Self; 7] = [
        Self::KillPreferredRegion,
        Self::KillBothRegions,
        Self::LosePaymentAnswers,
        Self::SlowPayments,
        Self::SlowShipping,
        Self::FailShipping,
        Self::KillService,
    ];
    const WITH_ENGINES: [Self; 4] = [
        Self::RestartPostgres,
        Self::KillPostgres,
        Self::RestartRedis,
        Self::PauseRedis,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::KillPreferredRegion => "kill -9 payment provider, preferred region",
            Self::KillBothRegions => "kill -9 payment provider, both regions",
            Self::LosePaymentAnswers => {
                "payment provider takes the money and loses every second answer"
            }
            Self::SlowPayments => "payment provider answers after 1.2 s",
            Self::SlowShipping => "shipping answers after 3 s",
            Self::FailShipping => "shipping answers 503",
            Self::RestartPostgres => "restart PostgreSQL",
            Self::KillPostgres => "kill -9 PostgreSQL",
            Self::RestartRedis => "restart Redis",
            Self::PauseRedis => "stop Redis in its tracks",
            Self::KillService => "kill -9 the service",
        }
    }

    async fn begin(self, world: &mut World) -> anyhow::Result<()> {
        match self {
            Self::KillPreferredRegion => world.payments[0].kill(),
            Self::KillBothRegions => {
                for region in &mut world.payments {
                    region.kill()?;
                }
                Ok(())
            }
            Self::LosePaymentAnswers => {
                for region in 0..REGIONS.len() {
                    world
                        .payments_do(region, json!({ "drop_rate": 0.5 }))
                        .await?;
                }
                Ok(())
            }
            Self::SlowPayments => world.payments_do(0, json!({ "latency_ms": 1200 })).await,
            Self::SlowShipping => world.shipping_do(json!({ "latency_ms": 3000 })).await,
            Self::FailShipping => world.shipping_do(json!({ "error_rate": 1.0 })).await,
            Self::RestartPostgres => match &mut world.postgres {
                Some(postgres) => postgres.stop().await,
                None => Ok(()),
            },
            Self::KillPostgres => world.postgres.as_mut().map_or(Ok(()), PostgresEngine::kill),
            Self::RestartRedis => match &mut world.redis {
                Some(redis) => redis.stop().await,
                None => Ok(()),
            },
            Self::PauseRedis => world.redis.as_ref().map_or(Ok(()), RedisEngine::pause),
            Self::KillService => world.service.kill(),
        }
    }

    async fn end(self, world: &mut World) -> anyhow::Result<()> {
        match self {
            Self::KillPreferredRegion => world.start_payments(0).await,
            Self::KillBothRegions => {
                for region in 0..REGIONS.len() {
                    world.start_payments(region).await?;
                }
                Ok(())
            }
            Self::LosePaymentAnswers | Self::SlowPayments => {
                for region in 0..REGIONS.len() {
                    world.calm_payments(region).await?;
                }
                Ok(())
            }
            Self::SlowShipping | Self::FailShipping => world.calm_shipping().await,
            Self::RestartPostgres | Self::KillPostgres => match &mut world.postgres {
                Some(postgres) => postgres.restart().await,
                None => Ok(()),
            },
            Self::RestartRedis => match &mut world.redis {
                Some(redis) => redis.restart().await,
                None => Ok(()),
            },
            Self::PauseRedis => world.redis.as_ref().map_or(Ok(()), RedisEngine::resume),
            Self::KillService => {
                let World { service, http, .. } = world;
                service.start(http).await
            }
        }
    }
}

/// Lets things go wrong for `time`, one after another, and puts them right.
pub(super) async fn rage(
    world: &mut World,
    random: &mut StdRng,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut acts = Act::ALWAYS.to_vec();
    if world.postgres.is_some() {
        acts.extend(Act::WITH_ENGINES);
    }
    let share = (time / acts.len() as u32).min(Duration::from_secs(4));
    let end = Instant::now() + time;
    while Instant::now() < end {
        acts.shuffle(random);
        for act in &acts {
            if Instant::now() >= end {
                break;
            }
            let next = Instant::now() + share;
            progress.say(act.words());
            act.begin(world).await?;
            sleep(share.mul_f64(random.random_range(0.3..0.8))).await;
            act.end(world).await?;
            sleep_until(next).await;
        }
    }
    progress.say("nothing more is done to it");
    Ok(())
}
