use crate::drops::{STEP, poll};
use fuseboard::{CallError, CoDel, ConcurrencyQueue, PolicyKind, TokioClock};
use std::pin::pin;
use std::time::Duration;

const TARGET: Duration = Duration::from_millis(5);
const INTERVAL: Duration = Duration::from_millis(100);

fn codel() -> CoDel {
    CoDel::with_clock(TARGET, INTERVAL, TokioClock).unwrap()
}

/// An entry that waits 20 ms; whether it is served.
async fn waits(codel: &CoDel) -> bool {
    let enqueued = codel.stamp();
    tokio::time::advance(Duration::from_millis(20)).await;
    codel.is_served(enqueued)
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stands_is_shed_until_something_fresh_comes() {
    let codel = codel();
    // The first entry begins the interval, which five more do not fill.
    for _ in 0..5 {
        assert!(waits(&codel).await);
    }
    assert!(!codel.is_shedding());
    assert!(!waits(&codel).await);
    assert!(codel.is_shedding());
    let shed = codel.call(codel.stamp(), async { Ok::<_, ()>(1) }).await;
    assert_eq!(shed, Ok(1), "what has not waited is served");
    assert!(!codel.is_shedding());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shed_is_not_made_and_says_so() {
    let codel = codel();
    for _ in 0..9 {
        let _ = waits(&codel).await;
    }
    let mut is_shed = false;
    for _ in 0..20 {
        let enqueued = codel.stamp();
        tokio::time::advance(Duration::from_millis(20)).await;
        let answer = codel.call(enqueued, async { Ok::<_, ()>(()) }).await;
        if let Err(CallError::Rejected { policy, .. }) = answer {
            assert_eq!(policy, PolicyKind::CoDel);
            is_shed = true;
        }
    }
    assert!(is_shed);
    // Other settings begin the law again.
    codel.clone().configure(TARGET * 2, INTERVAL * 2).unwrap();
    assert!(!codel.is_shedding());
}

#[test]
fn r6_bad_settings_are_refused_by_name() {
    let error = CoDel::new(INTERVAL, TARGET).unwrap_err();
    assert!(error.to_string().contains("target"), "{error}");
    let error = CoDel::new(Duration::from_nanos(1), Duration::from_nanos(2)).unwrap_err();
    assert!(error.to_string().contains("interval"), "{error}");
    assert!(!CoDel::default().is_shedding());
}

/// Each call takes the only place for 10 ms, and one more comes each time: so the line stands.
async fn served_of_40(queue: ConcurrencyQueue) -> usize {
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let work = async {
                    tokio::time::sleep(STEP).await;
                    Ok::<_, ()>(())
                };
                queue.call(work).await.is_ok()
            })
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap());
    }
    assert_eq!((queue.in_flight(), queue.waiting()), (0, 0));
    served
}

#[tokio::test(start_paused = true)]
async fn k1_a_standing_line_is_shed_and_the_places_go_on_to_the_next() {
    let line = || ConcurrencyQueue::new(1).unwrap().max_waiting(40);
    assert_eq!(served_of_40(line()).await, 40);
    let codel = codel();
    let served = served_of_40(line().shed_by(codel.clone())).await;
    // All of the first interval, and most of the rest.
    assert!((11..40).contains(&served), "{served}");
    assert!(codel.is_shedding());
    // A short burst loses nothing.
    let fresh = line().shed_by(codel);
    assert_eq!(fresh.call(async { Ok::<_, ()>(7) }).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn k5_who_is_shed_gives_its_place_to_who_waits_behind() {
    let codel = codel();
    for _ in 0..9 {
        let _ = waits(&codel).await;
    }
    // The law sheds whatever has waited long enough after its last.
    tokio::time::advance(INTERVAL).await;
    let queue = ConcurrencyQueue::new(1).unwrap().max_waiting(9);
    let shedding = queue.clone().shed_by(codel);
    let held = queue.try_acquire().unwrap();
    let mut first = pin!(shedding.acquire());
    let mut second = pin!(queue.acquire());
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    tokio::time::advance(STEP).await;
    drop(held);
    assert!(first.await.is_err());
    assert!(poll(second.as_mut()).await.is_ready());
    assert_eq!(queue.in_flight(), 0);
}
