use crate::drops::{STEP, at_every_point, panics, poll};
use crate::now;
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{ConcurrencyQueue, Reason};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

fn queue(limit: u32, max_waiting: usize) -> ConcurrencyQueue {
    ConcurrencyQueue::new(limit)
        .unwrap()
        .max_waiting(max_waiting)
}

#[tokio::test(start_paused = true)]
async fn k5_places_go_to_who_waits_in_order_and_nobody_overtakes() {
    let queue = queue(1, 8);
    let held = queue.try_acquire().unwrap();
    let (mut first, mut second) = (pin!(queue.acquire()), pin!(queue.acquire()));
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    assert_eq!(queue.waiting(), 2);
    drop(held);
    // The place is the first one's, although nobody has polled it yet.
    assert!(queue.try_acquire().is_err());
    assert!(poll(second.as_mut()).await.is_pending());
    let permit = first.await.unwrap();
    assert_eq!((queue.in_flight(), queue.waiting()), (1, 1));
    drop(permit);
    drop(second.await.unwrap());
    assert_eq!((queue.in_flight(), queue.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn k5_a_cancelled_waiter_passes_its_place_on() {
    let queue = queue(1, 8);
    let held = queue.try_acquire().unwrap();
    let mut second = pin!(queue.acquire());
    {
        let mut first = pin!(queue.acquire());
        assert!(poll(first.as_mut()).await.is_pending());
        assert!(poll(second.as_mut()).await.is_pending());
        drop(held); // given to the first, who is dropped without having looked
    }
    assert!(poll(second.as_mut()).await.is_ready());
    assert_eq!((queue.in_flight(), queue.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_line_is_bounded_in_length_and_in_time() {
    let queue = queue(1, 1).max_wait(STEP * 3);
    let held = queue.try_acquire().unwrap();
    let started = Instant::now();
    let mut waits = pin!(queue.acquire());
    assert!(poll(waits.as_mut()).await.is_pending());
    assert_eq!(queue.acquire().await.unwrap_err().reason, Reason::Full);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(waits.await.unwrap_err().reason, Reason::Full);
    assert_eq!(started.elapsed(), STEP * 3);
    assert_eq!((queue.in_flight(), queue.waiting()), (1, 0));
    // Three that gave up have cost no place.
    drop(held);
    assert!(queue.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn k4_a_raised_limit_serves_who_waits() {
    let queue = queue(1, 8);
    let _held = queue.try_acquire().unwrap();
    let (mut first, mut second) = (pin!(queue.acquire()), pin!(queue.acquire()));
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    queue.set_limit(3).unwrap();
    let both = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(queue.in_flight(), 3);
    queue.set_limit(1).unwrap();
    drop(both);
    assert!(queue.try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn k1_never_more_at_once_than_places() {
    let queue = queue(3, 100);
    let service = ScriptedService::<u32, ()>::new([Scripted::After(STEP, Ok(1))]);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (queue, service) = (queue.clone(), service.clone());
            tokio::spawn(async move { queue.call(service.call()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(1));
    }
    assert_eq!(service.most_in_flight(), 3);
    assert_eq!((queue.in_flight(), queue.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_place_and_line_are_as_before() {
    let make = || {
        let queue = queue(1, 1);
        let held = queue.try_acquire().unwrap();
        let service = ScriptedService::<u32, ()>::new([Scripted::After(STEP * 3, Ok(1))]);
        let handle = queue.clone();
        tokio::spawn(async move {
            tokio::time::sleep(STEP * 3).await;
            drop(held);
        });
        (handle, async move { queue.call(service.call()).await })
    };
    let check = |queue: &ConcurrencyQueue, at: &str| {
        assert_eq!(queue.waiting(), 0, "{at}");
        queue.set_limit(2).unwrap();
        assert!(queue.in_flight() <= 1, "{at}");
    };
    assert!(at_every_point(make, check).await > 5);

    let queue = queue(1, 0);
    let service = ScriptedService::<u32, ()>::new([Scripted::Panic]);
    assert!(panics(queue.call(service.call())).await);
    assert_eq!(queue.in_flight(), 0);
}

#[test]
fn a_thread_waits_in_the_same_line() {
    let queue = queue(1, 4);
    let held = now(queue.acquire()).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| queue.acquire_blocking().map(drop));
        while queue.waiting() == 0 {
            std::thread::yield_now();
        }
        drop(held);
        assert!(waits.join().unwrap().is_ok());
    });
    let _held = queue.try_acquire().unwrap();
    let impatient = queue.clone().max_wait(Duration::from_nanos(1));
    assert_eq!(
        impatient.acquire_blocking().unwrap_err().reason,
        Reason::Full
    );
    assert_eq!(queue.waiting(), 0);
}
