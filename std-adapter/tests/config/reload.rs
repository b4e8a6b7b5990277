//! Policies that run, and are reloaded while they do.

use fuseboard::CircuitState;
use fuseboard::config::{Config, ConfigFileError, Format, Policies, Reloaded, Watch};
use std::path::PathBuf;
use std::time::Duration;

fn config(text: &str) -> Config {
    Config::from_text(text, Format::Toml).unwrap_or_else(|error| panic!("{error}"))
}

fn policies(text: &str) -> Policies {
    Policies::from_config(&config(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn reload(policies: &Policies, text: &str) -> Result<Reloaded, ConfigFileError> {
    policies.reload(&config(text))
}

/// A path of its own on tmpfs, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &str, name: &str) -> Self {
        let file = format!("fuseboard-config-{}-{name}", std::process::id());
        Self(PathBuf::from(folder).join(file))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const BEFORE: &str = "\
[breakers.payments]
minimum_requests = 2
open_timeout = '1h'
[breakers.search]
[rate_limits.api]
rate = '1/h'
burst = 2
[concurrency.reports]
limit = 2
";

fn trip(policies: &Policies, name: &str) {
    let breaker = policies.breaker(name).unwrap();
    for _ in 0..2 {
        breaker.try_acquire().unwrap().failure();
    }
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn the_policies_are_those_of_the_file() {
    let policies = policies(BEFORE);
    assert_eq!(policies.breaker("payments").unwrap().name(), "payments");
    assert!(policies.breaker("nobody").is_none());
    assert!(policies.rate_limiter("payments").is_none());
    let api = policies.rate_limiter("api").unwrap();
    assert_eq!(api.available(), 2);
    assert!(api.try_acquire_many(3).unwrap_err().retry_after.is_none());
    assert!(api.try_acquire_many(2).is_ok());
    assert!(policies.rate_limiter("api").unwrap().try_acquire().is_err());
    let reports = policies.concurrency_limit("reports").unwrap();
    let places = (
        reports.try_acquire().unwrap(),
        reports.try_acquire().unwrap(),
    );
    assert!(
        policies
            .concurrency_limit("reports")
            .unwrap()
            .try_acquire()
            .is_err()
    );
    drop(places);
    trip(&policies, "payments");
    assert_eq!(
        policies.clone().breaker("payments").unwrap().state(),
        CircuitState::Open
    );
}

#[test]
fn a_reload_keeps_what_is_open_taken_and_in_flight() {
    let policies = policies(BEFORE);
    trip(&policies, "payments");
    let held = policies.breaker("payments").unwrap();
    let wait = held.snapshot().retry_after;
    policies
        .rate_limiter("api")
        .unwrap()
        .try_acquire_many(2)
        .unwrap();
    let place = policies
        .concurrency_limit("reports")
        .unwrap()
        .try_acquire()
        .unwrap();

    let after = BEFORE
        .replace("'1h'", "'2h'")
        .replace("rate = '1/h'", "rate = '2/h'")
        .replace("limit = 2", "limit = 1")
        + "[breakers.new]\n";
    let done = reload(&policies, &after).unwrap();
    assert_eq!(
        done.changed,
        [
            "breakers.payments",
            "rate_limits.api",
            "concurrency.reports"
        ]
    );
    assert_eq!(done.added, ["breakers.new"]);
    assert!(done.removed.is_empty());

    assert_eq!(held.state(), CircuitState::Open);
    assert!(
        held.snapshot().retry_after > wait,
        "the new open time holds"
    );
    assert_eq!(policies.rate_limiter("api").unwrap().available(), 0);
    let reports = policies.concurrency_limit("reports").unwrap();
    assert_eq!((reports.in_flight(), reports.limit()), (1, 1));
    assert!(reports.try_acquire().is_err());
    drop(place);
    assert!(policies.breaker("new").is_some());
    // Nothing of it again.
    let again = reload(&policies, &after).unwrap();
    assert_eq!(again, Reloaded::default());
    assert_eq!(again.to_string(), "nothing has changed");
}

#[test]
fn names_that_are_gone_are_told_and_run_on() {
    let policies = policies(BEFORE);
    trip(&policies, "payments");
    let done = reload(&policies, "[breakers.search]").unwrap();
    assert_eq!(
        done.removed,
        [
            "breakers.payments",
            "rate_limits.api",
            "concurrency.reports"
        ]
    );
    assert_eq!(
        policies.breaker("payments").unwrap().state(),
        CircuitState::Open
    );
    // And are the same when they come back.
    let done = reload(&policies, BEFORE).unwrap();
    assert_eq!(done, Reloaded::default());
    assert_eq!(
        policies.breaker("payments").unwrap().state(),
        CircuitState::Open
    );
}

#[test]
fn what_cannot_change_is_refused_whole_with_its_place() {
    let policies = policies(BEFORE);
    for (what, path) in [
        (
            "[breakers.search]\nwindow = { count = 50 }",
            "breakers.search.window",
        ),
        (
            "[breakers.search]\nwindow_size = '5s'",
            "breakers.search.window_size",
        ),
        (
            "[defaults.breakers]\nwindow_size = '5s'\n[breakers.search]",
            "defaults.breakers.window_size",
        ),
        (
            "[breakers.search]\ncount_overdue = true\nslow_call_duration = '1s'",
            "breakers.search.count_overdue",
        ),
        (
            "[breakers.search]\n[rate_limits.api]\nrate = '5/h'\nalgorithm = 'sliding_window'",
            "rate_limits.api.algorithm",
        ),
    ] {
        let text = what.to_owned()
            + "\n[breakers.payments]\nopen_timeout = '1s'\n[breakers.late]\n[concurrency.reports]\nlimit = 9";
        let error = reload(&policies, &text).unwrap_err();
        let [finding] = error.findings() else {
            panic!("{error}");
        };
        assert_eq!(
            (finding.id, finding.path.as_str()),
            ("live", path),
            "{error}"
        );
        let place = finding.place.clone().unwrap();
        assert!(place.line <= 4, "{error}");
        // Nothing of the rest has happened.
        assert!(policies.breaker("late").is_none());
        assert_eq!(policies.concurrency_limit("reports").unwrap().limit(), 2);
        trip(&policies, "payments");
        let wait = policies
            .breaker("payments")
            .unwrap()
            .snapshot()
            .retry_after
            .unwrap();
        assert!(Duration::from(wait) > Duration::from_secs(3_000), "{wait}");
        policies.breaker("payments").unwrap().reset();
    }
}

#[test]
fn a_sliding_window_runs_and_keeps_its_rate() {
    let exact = "[rate_limits.api]\nrate = '2/h'\nalgorithm = 'sliding_window'";
    let policies = policies(exact);
    let api = policies.rate_limiter("api").unwrap();
    assert!(api.try_acquire().is_ok() && api.try_acquire_many(1).is_ok());
    assert!(api.try_acquire().is_err());
    assert!(
        api.try_acquire_many(u64::MAX)
            .unwrap_err()
            .retry_after
            .is_none()
    );
    assert_eq!(api.available(), 0);
    assert_eq!(reload(&policies, exact).unwrap(), Reloaded::default());
    let error = reload(&policies, &exact.replace('2', "3")).unwrap_err();
    assert_eq!(error.findings()[0].path, "rate_limits.api.rate");
}

#[test]
fn a_watch_reloads_what_has_changed_and_tells_an_error_once() {
    let file = Scratch::new(std::env::temp_dir().to_str().unwrap(), "watch.toml");
    std::fs::write(&file.0, BEFORE).unwrap();
    let policies = Policies::from_config(&Config::from_path(&file.0).unwrap()).unwrap();
    let mut watch = Watch::new(&file.0, &policies);
    assert!(watch.poll().is_none());
    // As long as before, and within the same tick of the clock.
    std::fs::write(&file.0, BEFORE.replace("'1h'", "'2h'")).unwrap();
    assert_eq!(
        watch.poll().expect("it has changed").unwrap().changed,
        ["breakers.payments"]
    );
    std::fs::write(&file.0, BEFORE.to_owned() + "[breakers.new]\n").unwrap();
    let done = watch.poll().expect("it has changed").unwrap();
    assert_eq!(
        done.to_string(),
        "added: breakers.new; changed: breakers.payments"
    );
    assert!(watch.poll().is_none());
    std::fs::write(&file.0, "[breakers.payments]\nopen_timeout = 5").unwrap();
    let error = watch.poll().expect("it has changed").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("watch.toml:2:16: breakers.payments.open_timeout = 5"),
        "{error}"
    );
    assert!(watch.poll().is_none());
    // A file that is not there for a moment is waited for; another one in its place is read.
    std::fs::remove_file(&file.0).unwrap();
    assert!(watch.poll().is_none());
    std::fs::write(&file.0, "[breakers.other]").unwrap();
    let done = watch.poll().expect("it is back").unwrap();
    assert_eq!(done.added, ["breakers.other"]);
    assert_eq!(done.removed.len(), 5);
    assert!(policies.breaker("other").is_some());
}

#[tokio::test]
async fn queues_shedding_adaptive_limits_and_throttles_keep_their_state() {
    let before = "[queues.x]\nlimit = 1\nmax_waiting = 1\n[adaptive.x]\ninitial_limit = 3\nalgorithm = 'aimd'\n\
                  [shedding.x]\nlimit = 4\nsheds_from = '50%'\n[throttles.x]\nminimum_requests = 0\nwindow = '1h'";
    let policies = policies(before);
    let (queue, shedding) = (
        policies.queue("x").unwrap(),
        policies.load_shedding("x").unwrap(),
    );
    let (adaptive, throttle) = (
        policies.adaptive_limit("x").unwrap(),
        policies.throttle("x").unwrap(),
    );
    assert_eq!((queue.limit(), adaptive.limit()), (1, 3));
    let held = (
        queue.try_acquire().unwrap(),
        shedding.try_acquire(0).unwrap(),
        adaptive.try_acquire().unwrap(),
    );
    for _ in 0..20 {
        let _ = throttle.call(async { Err::<(), _>(()) }).await;
    }
    let counts = throttle.counts();

    let after = before
        .replace(
            "limit = 1\nmax_waiting = 1",
            "limit = 2\nmax_waiting = 2\nmax_wait = '1ms'\nshed_target = '5ms'",
        )
        .replace(
            "limit = 4\nsheds_from = '50%'",
            "limit = 6\nsheds_from = 0.1",
        )
        .replace("'aimd'", "'vegas'")
        .replace("minimum_requests = 0", "minimum_requests = 1000");
    let done = reload(&policies, &after).unwrap();
    assert_eq!(
        done.changed,
        ["queues.x", "adaptive.x", "shedding.x", "throttles.x"]
    );
    // Who has a handle sees the new limit, with what is in flight.
    assert_eq!((queue.limit(), queue.in_flight()), (2, 1));
    assert_eq!((adaptive.limit(), adaptive.in_flight()), (3, 1));
    let urgent: Vec<_> = (0..9).flat_map(|_| shedding.try_acquire(255)).collect();
    assert_eq!(urgent.len(), 6 - 1);
    drop(urgent);
    // Priority 0 may fill a tenth now, which is the one place that is always open, and taken.
    assert!(policies.load_shedding("x").unwrap().try_acquire(0).is_err());
    assert!(shedding.try_acquire(0).is_ok(), "the former share");
    assert_eq!(throttle.counts(), counts);
    assert!(
        throttle.try_acquire().is_ok(),
        "the window holds too few now"
    );
    // A call waits now, and no longer than that.
    let queue = policies.queue("x").unwrap();
    let both = queue.try_acquire().unwrap();
    assert!(queue.acquire().await.is_err());
    drop((both, held));

    // The law of the line goes on where it stays, and ends where it is taken away.
    let done = reload(&policies, &after.replace("'5ms'", "'9ms'")).unwrap();
    assert_eq!(done.changed, ["queues.x"]);
    let done = reload(&policies, &after.replace("shed_target = '5ms'", "")).unwrap();
    assert_eq!(done.changed, ["queues.x"]);
    for (old, new, field) in [
        ("'1h'", "'2h'", "throttles.x.window"),
        (
            "window = '1h'",
            "window = '1h'\nseed = 7",
            "throttles.x.seed",
        ),
    ] {
        let error = reload(&policies, &after.replace(old, new)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(field) && text.contains("cannot change while it runs"),
            "{text}"
        );
    }
}

#[test]
fn timeouts_retries_and_hedges_are_values_of_the_last_reload() {
    let before = "[timeouts.x]\nlimit = '2s'\n[retries.x]\nmax_attempts = 4\ninitial = '5ms'\njitter = 'decorrelated'\n\
                  budget_ratio = 0.0\nbudget_minimum_per_second = 1\nbudget_ttl = '10s'\n[hedges.x]\ndelay = '50ms'\nmax_attempts = 3";
    let policies = policies(before);
    assert_eq!(
        policies.timeout("x").unwrap().limit(),
        Duration::from_secs(2)
    );
    assert_eq!(
        policies.hedge("x").unwrap().delay(),
        Duration::from_millis(50)
    );
    let retry = policies.retry("x").unwrap();
    assert_eq!(retry.config().max_attempts, 4);
    assert_eq!(retry.config().backoff.initial, Duration::from_millis(5));
    assert_eq!(
        retry.config().backoff.jitter,
        fuseboard::Jitter::Decorrelated
    );
    let left = |policies: &Policies| {
        let retry = policies.retry("x").unwrap();
        retry
            .config()
            .budget
            .as_ref()
            .expect("a budget")
            .available()
    };
    let all = left(&policies);
    let budget = retry.config().budget.clone().unwrap();
    while budget.withdraw().is_ok() {}
    assert!(all > 0 && left(&policies) < all);

    let after = before
        .replace("'2s'", "'3s'")
        .replace("= 4", "= 5")
        .replace("'50ms'", "'60ms'");
    let done = reload(&policies, &after).unwrap();
    assert_eq!(done.changed, ["timeouts.x", "retries.x", "hedges.x"]);
    assert_eq!(
        policies.timeout("x").unwrap().limit(),
        Duration::from_secs(3)
    );
    assert_eq!(
        policies.hedge("x").unwrap().delay(),
        Duration::from_millis(60)
    );
    assert_eq!(policies.retry("x").unwrap().config().max_attempts, 5);
    // What was taken from the budget stays taken; another budget begins anew.
    assert!(left(&policies) < all);
    reload(&policies, &after.replace("'10s'", "'20s'")).unwrap();
    assert!(left(&policies) > all);
}

#[cfg(target_os = "linux")]
mod on_a_board {
    use super::*;
    use fuseboard::Board;

    fn with_board(path: &Scratch, text: &str) -> String {
        format!("board = \"{}\"\n{text}", path.0.display())
    }

    #[test]
    fn two_programs_of_one_file_share_everything() {
        let path = Scratch::new("/dev/shm", "share");
        let text = with_board(&path, BEFORE);
        let (one, two) = (policies(&text), policies(&text));
        trip(&one, "payments");
        assert_eq!(two.breaker("payments").unwrap().state(), CircuitState::Open);
        one.rate_limiter("api")
            .unwrap()
            .try_acquire_many(2)
            .unwrap();
        assert!(two.rate_limiter("api").unwrap().try_acquire().is_err());
        let reports = one.concurrency_limit("reports").unwrap();
        let places = (
            reports.try_acquire().unwrap(),
            reports.try_acquire().unwrap(),
        );
        assert!(
            two.concurrency_limit("reports")
                .unwrap()
                .try_acquire()
                .is_err()
        );
        drop(places);

        // A reload by one is one for all, and keeps the state.
        reload(
            &one,
            &text
                .replace("'1h'", "'2h'")
                .replace("limit = 2", "limit = 5"),
        )
        .unwrap();
        let breaker = two.breaker("payments").unwrap();
        assert_eq!(breaker.state(), CircuitState::Open);
        let wait = Duration::from(breaker.snapshot().retry_after.unwrap());
        assert!(wait > Duration::from_secs(3_600), "{wait:?}");
        assert_eq!(two.concurrency_limit("reports").unwrap().limit(), 5);

        // One that comes with other settings takes what runs over.
        let three = policies(&text.replace("'1h'", "'3h'"));
        let wait = Duration::from(
            three
                .breaker("payments")
                .unwrap()
                .snapshot()
                .retry_after
                .unwrap(),
        );
        assert!(wait > Duration::from_secs(7_200), "{wait:?}");
    }

    #[test]
    fn another_window_on_the_board_is_refused_with_its_place() {
        let path = Scratch::new("/dev/shm", "window");
        let text = with_board(&path, "[breakers.payments]\n");
        let _one = policies(&text);
        let other = config(&(text + "window = { count = 5 }"));
        let error = Policies::from_config(&other).unwrap_err();
        let finding = &error.findings()[0];
        assert_eq!(
            (finding.id, finding.path.as_str()),
            ("board", "breakers.payments.window"),
            "{error}"
        );
        assert_eq!(finding.place.as_ref().unwrap().line, 3);
    }

    #[test]
    fn a_board_that_cannot_be_opened_is_named() {
        let error =
            Policies::from_config(&config("version = 1\nboard = '/proc/nowhere'")).unwrap_err();
        let finding = &error.findings()[0];
        assert_eq!((finding.id, finding.path.as_str()), ("board", "board"));
        assert_eq!(finding.place.as_ref().unwrap().line, 2);
    }

    #[test]
    fn the_board_cannot_change_by_a_reload() {
        let path = Scratch::new("/dev/shm", "change");
        let policies = policies(BEFORE);
        let error = reload(&policies, &with_board(&path, BEFORE)).unwrap_err();
        assert_eq!(error.findings()[0].path, "board");
    }

    #[test]
    fn a_board_of_the_programs_own_choice_is_used() {
        let board = Board::anonymous().unwrap();
        let policies = Policies::on_board(&config(BEFORE), &board).unwrap();
        trip(&policies, "payments");
        let same = Policies::on_board(&config(BEFORE), &board).unwrap();
        assert_eq!(
            same.breaker("payments").unwrap().state(),
            CircuitState::Open
        );
        // Which the file alone could not know.
        let exact = config("[rate_limits.api]\nrate = '2/h'\nalgorithm = 'sliding_window'");
        let error = Policies::on_board(&exact, &board).unwrap_err();
        assert_eq!(error.findings()[0].path, "rate_limits.api.algorithm");
    }
}
