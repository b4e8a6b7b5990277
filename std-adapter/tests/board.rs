//! Boards of one process: files that may and may not be one, damaged words, and the fallback.
#![cfg(target_os = "linux")]

use fuseboard::{
    Board, BoardError, BoardOptions, BoardTransitions, Cause, CircuitBreaker, CircuitBreakerConfig,
    CircuitBreakerError, CircuitState, ClaimError, Clock, CoarseClock, ConcurrencyLimit,
    LayoutError, MonotonicClock, Outcome, Rate, RawPermit, Reason, Settled, TokenBucketRateLimiter,
    TransitionCursor, WhenDifferent, Window,
};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A path on tmpfs that is gone in the end.
struct TmpfsPath(PathBuf);

impl TmpfsPath {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fuseboard-test-{}-{number}", std::process::id());
        Self(PathBuf::from("/dev/shm").join(name))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new()
            .write(true)
            .open(&self.0)
            .expect("it is there");
        file.write_all_at(bytes, offset).expect("it can be written");
    }
}

impl Drop for TmpfsPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn tripping_at_once() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        minimum_requests: 1,
        ..Default::default()
    }
}

/// What `error` says, which must name what is allowed.
fn said(error: &BoardError) -> String {
    let text = error.to_string();
    assert!(text.contains("allowed: "), "{text}");
    text
}

#[test]
fn s1_the_layout_is_these_bytes() {
    let path = TmpfsPath::new();
    let board = Board::open(&path.0).unwrap();
    let metadata = fs::metadata(&path.0).unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.size()),
        (0o600, 267_584)
    );
    assert_eq!(metadata.blocks() * 512, 270_336, "reserved, not only sized");

    board.token_bucket("api", Rate::per_second(4), 9).unwrap();
    board.concurrency_limit("reports", 3).unwrap();
    board
        .breaker("payments", CircuitBreakerConfig::default())
        .unwrap();
    let bytes = fs::read(&path.0).unwrap();
    let word = |offset: usize| u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap());
    let magic = u64::from_le_bytes(*b"FUSEBRD\0");
    assert_eq!(
        [word(0), word(8), word(16), word(24)],
        [magic, 2, 267_584, 64 << 32 | 128]
    );
    assert_ne!([word(32), word(40)], [0, 0], "the boot id");
    let namespace = fs::metadata("/proc/self/ns/time").map_or(0, |namespace| namespace.ino());
    assert_eq!(word(48), namespace);
    assert_eq!(word(64), u64::from(std::process::id()), "owner 0");
    // The first slot of each section: its roll, control and name.
    let (live, published) = (2, 1 << 16);
    for (section, name) in [(1_088, "payments"), (169_088, "api"), (177_344, "reports")] {
        assert_eq!(
            [word(section), word(section + 64)],
            [published, live],
            "{name}"
        );
        let found = &bytes[section + 72..section + 136];
        assert_eq!(found[..name.len()], *name.as_bytes());
        assert!(found[name.len()..].iter().all(|byte| *byte == 0));
    }
    // A closed breaker of its second generation; its thresholds: half of the calls, all of them slow.
    assert_eq!(word(1_088 + 64 + 128), 1 << 3);
    assert_eq!(
        word(1_088 + 64 + 128 + 256 + 24),
        (1_000_000 << 32) + 500_000
    );
    // The bucket's interval, burst and divisions; the limit's total.
    let bucket = 169_088 + 64 + 72;
    assert_eq!(
        [word(bucket + 8), word(bucket + 16), word(bucket + 24)],
        [2_000_000_000, 9, 8]
    );
    assert_eq!(word(177_344 + 64 + 72) >> 32, 3 << 16);

    // The slot's histogram: a call of 2 ms, between 2^20 ns and 2^21 ns, is in one of eight words.
    let config = CircuitBreakerConfig {
        record_latency: true,
        ..Default::default()
    };
    let payments = board
        .breaker_with("payments", config, WhenDifferent::Update)
        .unwrap();
    payments
        .call_blocking(|| {
            spin(Duration::from_millis(2));
            Ok::<_, ()>(())
        })
        .unwrap();
    payments.force_open();
    let bytes = fs::read(&path.0).unwrap();
    let word = |offset: usize| u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap());
    let histogram = 1_088 + 64 + 128 + 384;
    let longer: u64 = (80..256)
        .map(|bucket| word(histogram + 8 + bucket * 8))
        .sum();
    assert_eq!((word(histogram), longer), (0, 1));
    assert_eq!(
        word(1_088 + 64 + 128 + 256 + 24) >> 63,
        1,
        "it is asked for"
    );
    // The log: one change, whole, by owner 0; from closed, to forced open, by hand, at generation 2.
    let log = 251_136;
    assert_eq!([word(log), word(log + 64)], [1, 2]);
    assert_eq!(word(log + 72), 6 << 34 | 3 << 31 | 2);
    assert_eq!(word(log + 64 + 56), u64::from(std::process::id()));
    assert!(bytes[log + 128..].starts_with(b"payments\0"));
}

/// Passes so much time, for the precise clock.
fn spin(time: Duration) {
    let end = MonotonicClock.now().saturating_add(time.into());
    while MonotonicClock.now() < end {}
}

#[test]
fn s3_a_second_opener_finds_the_same_state() {
    let path = TmpfsPath::new();
    let (first, second) = (Board::open(&path.0).unwrap(), Board::open(&path.0).unwrap());
    let config = tripping_at_once();
    let here = first.breaker("x", config).unwrap();
    let there = second.breaker("x", config).unwrap();
    here.try_acquire().unwrap().failure();
    assert_eq!(there.state(), CircuitState::Open);
    assert!(there.try_acquire().unwrap_err().retry_after.is_some());

    let other = CircuitBreakerConfig {
        open_timeout: Duration::from_secs(7),
        ..config
    };
    let differs = second.breaker("x", other).unwrap_err();
    assert!(matches!(differs, BoardError::Claim(ClaimError::Differs)));
    said(&differs);
    let updated = second
        .breaker_with("x", other, WhenDifferent::Update)
        .unwrap();
    assert_eq!(updated.state(), CircuitState::Open, "the state stays");
    drop((first, here));
    assert_eq!(
        updated.state(),
        CircuitState::Open,
        "it does not need its maker"
    );
}

#[test]
fn s3_a_removed_name_is_claimed_anew_by_its_users() {
    let board = Board::anonymous().unwrap();
    let breaker = board.breaker("x", tripping_at_once()).unwrap();
    let permit = breaker.try_acquire().unwrap();
    breaker.force_open();
    let breakers = board.words().breakers();
    let (id, _) = breakers.entries().next().unwrap();
    assert!(breakers.remove(id));
    let (limit, _) = (board.concurrency_limit("x", 1).unwrap(), permit);
    assert_eq!(breaker.state(), CircuitState::Closed);
    breaker.try_acquire().unwrap().success();
    assert_eq!(limit.in_flight(), 0);
}

/// What every method of a breaker answers in one little life.
async fn life(breaker: &CircuitBreaker) -> (Vec<Cause>, Vec<String>) {
    let causes = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&causes);
    breaker.on_transition(move |change| told.lock().unwrap().push(change.cause));
    let mut said = vec![breaker.name().to_owned()];
    said.push(format!(
        "{:?}",
        breaker.call(async { Ok::<_, ()>(1) }).await
    ));
    let judged = breaker.call_with(async { Err::<(), _>("mine") }, |_| Outcome::Ignored);
    said.push(format!("{:?}", judged.await));
    said.push(format!(
        "{:?}",
        breaker.call_blocking(|| Err::<(), _>("no"))
    ));
    said.push(format!(
        "{:?}",
        breaker.try_acquire().unwrap().failure_weighted(2)
    ));
    let rejected = breaker.call_blocking(|| Ok::<_, ()>(())).unwrap_err();
    said.push(format!("{} {}", rejected.is_rejected(), breaker.state()));
    breaker.metrics_only();
    let late = breaker.try_acquire().unwrap();
    breaker.disable();
    said.push(format!("{:?} {}", late.success(), breaker.state()));
    breaker.force_open();
    said.push(format!("{:?}", breaker.try_acquire().unwrap_err()));
    breaker.clone().reset();
    let other = CircuitBreakerConfig {
        window: Some(Window::Consecutive(5)),
        ..consecutive()
    };
    said.push(breaker.configure(other).unwrap_err().to_string());
    let slower = CircuitBreakerConfig {
        open_timeout: Duration::from_secs(7),
        ..consecutive()
    };
    said.push(format!("{:?}", breaker.configure(slower)));
    drop(breaker.try_acquire().unwrap());
    let raw = [(); 3].map(|()| breaker.acquire_raw().unwrap());
    let [first, second, third] = raw
        .map(|permit| RawPermit::from_tagged_words(permit.to_words()).expect("words of a permit"));
    said.push(format!("{:?}", breaker.settle_raw(first, Outcome::Success)));
    let weighted = breaker.settle_raw_weighted(second, Outcome::Failure, 2);
    said.push(format!("{weighted:?}"));
    breaker.cancel_raw(third);
    let snapshot = breaker.snapshot();
    said.push(format!("{:?} {:?}", snapshot.totals, breaker.stats()));
    let causes = causes.lock().unwrap().clone();
    (causes, said)
}

fn consecutive() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        window: Some(Window::Consecutive(3)),
        ..Default::default()
    }
}

/// S3: one line to switch: what works with a breaker of its own works with one on a board, alike.
#[tokio::test]
async fn s3_words_on_a_board_answer_as_own_ones_do() {
    let board = Board::anonymous().unwrap();
    let own = CircuitBreaker::new("x", consecutive());
    let shared = board.breaker("x", consecutive()).unwrap();
    let private = Board::private().breaker("x", consecutive()).unwrap();
    let expected = life(&own).await;
    assert_eq!(expected.0.len(), 5, "{expected:?}");
    assert_eq!(life(&shared).await, expected);
    assert_eq!(life(&private).await, expected);

    let own = TokenBucketRateLimiter::new(Rate::per_hour(1), 4);
    let shared = board.token_bucket("x", Rate::per_hour(1), 4).unwrap();
    for bucket in [&own, &shared] {
        bucket.try_acquire().unwrap();
        bucket.try_acquire_many(3).unwrap();
        bucket.refund(2);
        assert_eq!(bucket.available(), 2);
        bucket.configure(Rate::per_hour(1), 3).unwrap();
        bucket.reset();
        assert_eq!(bucket.clone().available(), 3);
    }
    assert_eq!((own.name(), shared.name()), (None, Some("x")));

    let own = ConcurrencyLimit::new(1);
    let shared = board.concurrency_limit("x", 1).unwrap();
    for limit in [&own, &shared] {
        let permit = limit.try_acquire().unwrap();
        assert_eq!(limit.try_acquire().unwrap_err().reason, Reason::Full);
        limit.set_limit(2).unwrap();
        let second = limit.clone().try_acquire().unwrap();
        assert_eq!((limit.in_flight(), limit.limit()), (2, 2));
        drop((permit, second));
        assert_eq!(limit.in_flight(), 0);
    }
    assert_eq!((own.name(), shared.name()), (None, Some("x")));
    let too_many = shared.set_limit(65_536).unwrap_err().to_string();
    assert!(
        too_many.contains("65536; allowed: 1 to 65535"),
        "{too_many}"
    );
    assert!(board.concurrency_limit("y", 65_536).is_err());
}

/// B15: a process learns of the changes that others caused: which breaker, who, why; and an operator's are told as well.
#[test]
fn b15_changes_of_others_are_told_to_who_asks() {
    let path = TmpfsPath::new();
    let (here, there) = (Board::open(&path.0).unwrap(), Board::open(&path.0).unwrap());
    let mut cursor = here.transitions_end();
    let breaker = there.breaker("payments", tripping_at_once()).unwrap();
    breaker.try_acquire().unwrap().failure();
    let words = there.words().breakers();
    let (id, _) = words.entries().next().unwrap();
    words
        .get(id)
        .unwrap()
        .reset(CoarseClock.now(), &there.observer(id));

    let found = here.transitions_since(&mut cursor);
    assert_eq!(found.lost, 0);
    let told: Vec<_> = found
        .transitions
        .iter()
        .map(|change| {
            (
                change.name.as_str(),
                change.process,
                change.transition.cause,
            )
        })
        .collect();
    let process = u64::from(std::process::id());
    let expected = [Cause::FailureRate, Cause::Manual].map(|cause| ("payments", process, cause));
    assert_eq!(told, expected);
    assert_eq!(
        here.transitions_since(&mut cursor),
        BoardTransitions::default()
    );

    for _ in 0..130 {
        breaker.reset();
    }
    let found = here.transitions_since(&mut cursor);
    assert_eq!((found.transitions.len(), found.lost), (128, 2));
    let private = Board::private();
    private.breaker("x", tripping_at_once()).unwrap().disable();
    let mut cursor = TransitionCursor::default();
    assert_eq!(private.transitions_since(&mut cursor).transitions.len(), 1);
}

/// O1: how long calls took, where it is asked for, on a board for all its processes, and by the precise clock.
#[test]
fn o1_latency_is_counted_where_it_is_asked_for() {
    let path = TmpfsPath::new();
    let (here, there) = (Board::open(&path.0).unwrap(), Board::open(&path.0).unwrap());
    let config = CircuitBreakerConfig {
        record_latency: true,
        ..Default::default()
    };
    let own = CircuitBreaker::new("x", config);
    let shared = here.breaker("x", config).unwrap();
    let time = Duration::from_micros(50);
    for breaker in [&own, &shared] {
        let call = |result| {
            breaker.call_blocking(|| {
                spin(time);
                result
            })
        };
        assert!(call(Ok(())).is_ok() && call(Err(())).is_err());
        breaker.try_acquire().unwrap().failure_weighted(2);
        breaker.try_acquire().unwrap().ignore();
        drop(breaker.try_acquire().unwrap());
        let latency = breaker.latency().expect("it is asked for");
        assert_eq!(latency.count(), 3);
        assert!(latency.quantile(1.0) >= Some(time.into()));
        breaker.force_open();
        assert!(breaker.try_acquire().is_err());
        assert_eq!(breaker.latency().expect("it is asked for").count(), 3);
        breaker.configure(CircuitBreakerConfig::default()).unwrap();
        assert!(breaker.latency().is_none());
        breaker.reset();
        breaker.configure(config).unwrap();
        assert!(call(Ok(())).is_ok());
    }
    let other = there.breaker("x", config).unwrap();
    assert_eq!(other.latency().expect("it is asked for").count(), 4);
}

/// S5: a name that was removed, and whose slot others have taken, rejects by reason and never by panic; with room again it goes on.
#[test]
fn s5_a_name_without_a_slot_rejects_until_there_is_one() {
    let board = Board::anonymous().unwrap();
    let config = tripping_at_once();
    let breaker = board.breaker("x", config).unwrap();
    let bucket = board.token_bucket("x", Rate::per_second(1), 1).unwrap();
    let limit = board.concurrency_limit("x", 1).unwrap();
    let permit = breaker.try_acquire().unwrap();
    let words = board.words();
    let (lost, _) = words.breakers().entries().next().unwrap();
    assert!(words.breakers().remove(lost));
    let (lost, _) = words.token_buckets().entries().next().unwrap();
    assert!(words.token_buckets().remove(lost));
    let (lost, _) = words.concurrency_limits().entries().next().unwrap();
    assert!(words.concurrency_limits().remove(lost));
    for number in 0..64 {
        let name = format!("other-{number}");
        board.breaker(&name, config).unwrap();
        board.token_bucket(&name, Rate::per_second(1), 1).unwrap();
        board.concurrency_limit(&name, 1).unwrap();
    }
    assert_eq!(permit.success(), Settled::Stale);

    let reasons = [
        breaker.try_acquire().unwrap_err().reason,
        bucket.try_acquire().unwrap_err().reason,
        limit.try_acquire().unwrap_err().reason,
    ];
    assert_eq!(reasons, [Reason::Full; 3]);
    let rejected = breaker.call_blocking(|| Ok::<_, ()>(())).unwrap_err();
    let full = CircuitBreakerError::CircuitOpen {
        reason: Reason::Full,
        retry_after: None,
    };
    assert_eq!(rejected, full);
    breaker.reset();
    assert_eq!(breaker.state(), CircuitState::ForcedOpen);
    assert_eq!(breaker.snapshot().totals.calls, 0);
    bucket.refund(1);
    bucket.reset();
    assert_eq!(
        (bucket.available(), limit.in_flight(), limit.limit()),
        (0, 0, 0)
    );
    for error in [
        breaker.configure(config).unwrap_err(),
        bucket.configure(Rate::per_second(1), 1).unwrap_err(),
        limit.set_limit(1).unwrap_err(),
    ] {
        assert_eq!(error.field(), "name");
        assert!(
            error.to_string().contains("removed from its board"),
            "{error}"
        );
    }

    let (other, _) = words.breakers().entries().next().unwrap();
    assert!(words.breakers().remove(other));
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.state(), CircuitState::Open);
}

/// S8: what is too short, too long, of another owner, open to others, no file, or not on tmpfs is refused before it is mapped.
#[test]
fn s1_s8_files_that_cannot_be_trusted_are_refused() {
    let path = TmpfsPath::new();
    let refused = || said(&Board::open(&path.0).unwrap_err());

    fs::write(&path.0, "").unwrap();
    fs::set_permissions(&path.0, Permissions::from_mode(0o600)).unwrap();
    assert!(refused().contains("size is 0"));
    fs::remove_file(&path.0).unwrap();

    drop(Board::open(&path.0).unwrap());
    fs::set_permissions(&path.0, Permissions::from_mode(0o640)).unwrap();
    assert!(refused().contains("mode is 0640"));
    fs::set_permissions(&path.0, Permissions::from_mode(0o600)).unwrap();
    for size in [267_583, 267_585, 4_096, 115_968] {
        OpenOptions::new()
            .write(true)
            .open(&path.0)
            .unwrap()
            .set_len(size)
            .unwrap();
        assert!(refused().contains(&format!("size is {size}")));
    }
    fs::remove_file(&path.0).unwrap();

    drop(Board::open(&path.0).unwrap());
    let link = TmpfsPath::new();
    symlink(&path.0, &link.0).unwrap();
    let error = Board::open(&link.0).unwrap_err();
    assert!(said(&error).contains("symbolic link"));
    let error = Board::open("/dev/null").unwrap_err();
    assert!(said(&error).contains("file is CharacterDevice"));

    // Build folders are on a disk; where they are not, there is nothing to refuse.
    let on_disk =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("board-{}", std::process::id()));
    let opened = BoardOptions::new().on_disk(true).open(&on_disk);
    let refused = Board::open(&on_disk);
    let _ = fs::remove_file(&on_disk);
    opened.expect("asked for");
    if let Err(error) = refused {
        assert!(said(&error).contains("filesystem is "));
    }
}

#[test]
fn s1_s7_headers_that_are_not_ours_are_refused() {
    let path = TmpfsPath::new();
    drop(Board::open(&path.0).unwrap());
    for (offset, word) in [(0, 5_u64), (8, 1), (16, 1), (24, 7), (32, 9), (48, 3)] {
        let before = fs::read(&path.0).unwrap();
        path.write_at(offset, &word.to_ne_bytes());
        let error = Board::open(&path.0).unwrap_err();
        assert!(matches!(error, BoardError::Layout(_)), "{error}");
        if offset == 8 {
            let version = LayoutError::Version {
                found: 1,
                expected: 2,
            };
            assert!(matches!(error, BoardError::Layout(found) if found == version));
        }
        path.write_at(0, &before);
    }
    Board::open(&path.0).unwrap();
}

/// S8: a file that is gone is made anew; who has mapped it goes on.
#[test]
fn s8_an_unlinked_board_goes_on_for_its_users() {
    let path = TmpfsPath::new();
    let old = Board::open(&path.0)
        .unwrap()
        .breaker("x", tripping_at_once())
        .unwrap();
    fs::remove_file(&path.0).unwrap();
    let new = Board::open(&path.0)
        .unwrap()
        .breaker("x", tripping_at_once())
        .unwrap();
    old.try_acquire().unwrap().failure();
    assert_eq!(
        (old.state(), new.state()),
        (CircuitState::Open, CircuitState::Closed)
    );
}

#[test]
fn s1_makers_at_one_moment_share_one_board() {
    for _ in 0..200 {
        let path = TmpfsPath::new();
        let states: Vec<_> = thread::scope(|scope| {
            let open = || {
                let path = &path.0;
                scope.spawn(move || {
                    let board = Board::open(path).unwrap();
                    board
                        .token_bucket("x", Rate::per_hour(1), 3)
                        .unwrap()
                        .try_acquire()
                        .is_ok()
                })
            };
            let threads: Vec<_> = (0..4).map(|_| open()).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(states.iter().filter(|state| **state).count(), 3);
    }
}

#[test]
fn s1_without_a_board_there_is_a_private_one_and_an_event() {
    let mut told = None;
    let board = Board::open_or_private("/dev/null", |error| told = Some(error.to_string()));
    assert!(told.unwrap().contains("CharacterDevice"));
    assert!(!board.is_shared());
    let limit = board.concurrency_limit("x", 1).unwrap();
    let permit = limit.try_acquire().unwrap();
    assert!(limit.try_acquire().is_err());
    drop(permit);
    assert_eq!(limit.in_flight(), 0);
}

/// S2: random words anywhere behind the header give wrong decisions at worst.
#[test]
fn s2_no_damage_stops_or_crashes_anybody() {
    const DAMAGES: usize = 100_000;
    let path = TmpfsPath::new();
    let board = Board::open(&path.0).unwrap();
    let file = OpenOptions::new().write(true).open(&path.0).unwrap();
    let breaker = board.breaker("x", tripping_at_once()).unwrap();
    let bucket = board
        .token_bucket("x", Rate::per_second(1_000), 10)
        .unwrap();
    let limit = board.concurrency_limit("x", 4).unwrap();
    let mut random = 0x9E37_79B9_u64;
    let mut draw = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let (mut admitted, mut rejected) = (0, 0);
    for round in 0..DAMAGES {
        // Mostly in the slots that are used: section, length.
        let (start, words) =
            [(1_088, 336), (169_088, 24), (177_344, 152), (64, 33_440)][(draw() % 4) as usize];
        let offset = start + draw() % words * 8;
        let value = match draw() % 4 {
            0 => draw(),
            1 => u64::MAX,
            2 => 0,
            _ => 1 << (draw() % 64),
        };
        file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
        let places: Vec<_> = (0..2).filter_map(|_| limit.try_acquire().ok()).collect();
        match breaker.try_acquire() {
            Ok(permit) if round % 3 == 0 => {
                admitted += 1;
                permit.failure();
            }
            Ok(permit) => {
                admitted += 1;
                permit.success();
            }
            Err(_) => rejected += 1,
        }
        let _ = bucket.try_acquire();
        let _ = breaker.snapshot();
        drop(places);
        if round % 16 == 0 {
            // Names are damaged too, so this makes them anew where there is room.
            let _ = board.breaker_with("x", tripping_at_once(), WhenDifferent::Update);
            let _ = board.concurrency_limit_with("x", 4, WhenDifferent::Update);
            let names = board.words().breakers().entries().count();
            assert!(names <= 64);
        }
    }
    assert!(
        admitted > 1_000 && rejected > 1_000,
        "{admitted} admitted, {rejected} rejected"
    );
}

#[test]
fn o2_looking_makes_no_board_and_attaches_nobody() {
    let path = TmpfsPath::new();
    let looking = BoardOptions::new().existing(true);
    let missing = looking.open(&path.0).unwrap_err();
    assert!(matches!(missing, BoardError::System { .. }), "{missing}");
    assert!(!path.0.exists());

    let board = Board::open(&path.0).unwrap();
    let eyes = looking.open(&path.0).unwrap();
    assert_eq!(eyes.attached(), []);
    board.concurrency_limit("reports", 3).unwrap();
    let process = std::process::id();
    let found = eyes.attached();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].process, found[0].is_alive), (process, true));
    assert_eq!(board.attached(), found);
    // Who ends in order leaves; who is killed is found to be dead.
    drop(board);
    assert_eq!(eyes.attached(), []);
}
