use crate::drops::panics;
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{CallError, ConcurrencyQueue, TaskIsolation, ThreadIsolation};
use std::sync::mpsc::channel;
use std::time::Duration;

type Script = ScriptedService<u32, ()>;

fn tasks(limit: u32) -> TaskIsolation {
    TaskIsolation::new(
        ConcurrencyQueue::new(limit).unwrap(),
        tokio::runtime::Handle::current(),
    )
}

async fn call(isolation: &TaskIsolation, service: &Script) -> Result<u32, CallError<()>> {
    let service = service.clone();
    isolation.call(async move { service.call().await }).await
}

#[tokio::test(start_paused = true)]
async fn k1_calls_that_hang_fill_their_own_places_and_no_others() {
    let isolation = tasks(2);
    let service = Script::new([Scripted::Hang, Scripted::Hang, Scripted::Answer(Ok(1))]);
    let hung: Vec<_> = (0..2)
        .map(|_| {
            let (isolation, service) = (isolation.clone(), service.clone());
            tokio::spawn(async move { call(&isolation, &service).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(isolation.in_flight(), 2);
    assert!(call(&isolation, &service).await.unwrap_err().is_rejected());
    // Nobody waits for them any more: they stop, and their places are free.
    for task in hung {
        task.abort();
        let _ = task.await;
    }
    tokio::task::yield_now().await;
    assert_eq!((isolation.in_flight(), service.in_flight()), (0, 0));
    assert_eq!(call(&isolation, &service).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn p2_a_panic_goes_on_in_the_caller_and_the_place_is_free() {
    let isolation = tasks(1);
    let service = Script::new([Scripted::Panic, Scripted::Answer(Ok(1))]);
    assert!(panics(call(&isolation, &service)).await);
    assert_eq!(isolation.in_flight(), 0);
    assert_eq!(call(&isolation, &service).await, Ok(1));
}

#[test]
fn k1_threads_are_bounded_and_a_call_that_hangs_does_not_hold_others_callers() {
    let pool = ThreadIsolation::new("test", 1, 1).unwrap();
    let patient = Duration::from_secs(60);
    let (release, hangs) = channel::<()>();
    let (started, has_started) = channel();
    std::thread::scope(|scope| {
        let hung = scope.spawn(|| {
            pool.call_blocking(patient, move || {
                started.send(()).unwrap();
                hangs.recv().map_err(|_| ())
            })
        });
        has_started.recv().unwrap();
        // The thread is busy: one may wait, as long as it likes to, and the next is rejected.
        let queued = pool.call_blocking(Duration::from_millis(1), || -> Result<(), ()> {
            unreachable!("nobody waits for it any more")
        });
        assert!(queued.unwrap_err().is_timed_out());
        let rejected = pool.call_blocking(patient, || Ok::<_, ()>(1));
        assert!(rejected.unwrap_err().is_rejected());
        release.send(()).unwrap();
        assert_eq!(hung.join().unwrap(), Ok(()));
    });
    let free = loop {
        match pool.call_blocking(patient, || Ok::<_, ()>(1)) {
            Err(error) if error.is_rejected() => std::thread::yield_now(),
            end => break end,
        }
    };
    assert_eq!(free, Ok(1));
}

#[tokio::test]
async fn p2_a_thread_survives_a_panic() {
    let pool = ThreadIsolation::new("test", 1, 4).unwrap();
    let caught = tokio::spawn({
        let pool = pool.clone();
        async move {
            pool.call(|| -> Result<(), ()> { panic!("on purpose") })
                .await
        }
    });
    assert!(caught.await.unwrap_err().is_panic());
    assert_eq!(pool.call(|| Ok::<_, ()>(7)).await, Ok(7));
    assert_eq!(
        pool.call(|| Err::<(), _>("no")).await,
        Err(CallError::OperationFailed("no"))
    );
}
