//! [`Timer`]: bounds one wait after the other.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for the waits of one task. It is registered once and moved only when its time comes: a timer set anew for each trip would also
/// interrupt the runtime's wait for the network each time.
#[derive(Debug, Default)]
pub(super) struct Timer {
    /// Its time may be that of an earlier wait, never a later one.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// What comes of `work`; `None` if that is not known by `end`.
    pub(super) async fn bound<T>(
        &mut self,
        end: Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(result) = work.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if sleep.deadline() > end {
                sleep.as_mut().reset(end);
            }
            while sleep.as_mut().poll(context).is_ready() {
                if sleep.deadline() >= end {
                    return Poll::Ready(None);
                }
                sleep.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn t2_each_wait_ends_at_its_own_time_whatever_the_timer_was_set_to_before() {
        let mut timer = Timer::default();
        let begin = Instant::now();
        let bounded = timer.bound(begin + 2 * SECOND, sleep(SECOND)).await;
        assert_eq!(bounded, Some(()));
        // Its time is that of the first wait still, 2 s.
        let bounded = timer.bound(begin + 5 * SECOND, sleep(3 * SECOND)).await;
        assert_eq!((bounded, begin.elapsed()), (Some(()), 4 * SECOND));
        let bounded = timer.bound(begin + 7 * SECOND, sleep(9 * SECOND)).await;
        assert_eq!((bounded, begin.elapsed()), (None, 7 * SECOND));
        // It has gone off.
        let bounded = timer.bound(begin + 9 * SECOND, sleep(SECOND)).await;
        assert_eq!((bounded, begin.elapsed()), (Some(()), 8 * SECOND));
        // And earlier than before.
        let bounded = timer.bound(begin + 9 * SECOND, sleep(9 * SECOND)).await;
        assert_eq!((bounded, begin.elapsed()), (None, 9 * SECOND));
        let mut timer = Timer::default();
        let _ = timer.bound(begin + 20 * SECOND, sleep(SECOND)).await;
        let bounded = timer.bound(begin + 12 * SECOND, sleep(9 * SECOND)).await;
        assert_eq!((bounded, begin.elapsed()), (None, 12 * SECOND));
    }
}
