//! Boards of one process: files that may and may not be one, damaged words, and the fallback.
#![cfg(target_os = "linux")]

use fuseboard::{
    Board, BoardError, BoardOptions, CircuitBreakerConfig, CircuitState, ClaimError, LayoutError,
    Rate, WhenDifferent,
};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
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
        (0o600, 115_968)
    );
    assert_eq!(metadata.blocks() * 512, 118_784, "reserved, not only sized");

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
        [magic, 1, 115_968, 64 << 32 | 128]
    );
    assert_ne!([word(32), word(40)], [0, 0], "the boot id");
    let namespace = fs::metadata("/proc/self/ns/time").map_or(0, |namespace| namespace.ino());
    assert_eq!(word(48), namespace);
    assert_eq!(word(64), u64::from(std::process::id()), "owner 0");
    // The first slot of each section: its roll, control and name.
    let (live, published) = (2, 1 << 16);
    for (section, name) in [(1_088, "payments"), (33_920, "api"), (42_176, "reports")] {
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
    let bucket = 33_920 + 64 + 72;
    assert_eq!(
        [word(bucket + 8), word(bucket + 16), word(bucket + 24)],
        [2_000_000_000, 9, 8]
    );
    assert_eq!(word(42_176 + 64 + 72) >> 32, 3 << 16);
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
    breaker.force_open().unwrap();
    let breakers = board.words().breakers();
    let (id, _) = breakers.entries().next().unwrap();
    assert!(breakers.remove(id));
    let (limit, _) = (board.concurrency_limit("x", 1).unwrap(), permit);
    assert_eq!(breaker.state(), CircuitState::Closed);
    breaker.try_acquire().unwrap().success();
    assert_eq!(limit.in_flight(), 0);
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
    for size in [115_967, 115_969, 4_096] {
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
    for (offset, word) in [(0, 5_u64), (8, 2), (16, 1), (24, 7), (32, 9), (48, 3)] {
        let before = fs::read(&path.0).unwrap();
        path.write_at(offset, &word.to_ne_bytes());
        let error = Board::open(&path.0).unwrap_err();
        assert!(matches!(error, BoardError::Layout(_)), "{error}");
        if offset == 8 {
            let version = LayoutError::Version {
                found: 2,
                expected: 1,
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
            [(1_088, 72), (33_920, 24), (42_176, 152), (64, 14_488)][(draw() % 4) as usize];
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
    drop(board);
    assert!(!eyes.attached()[0].is_alive);
}
