//! What sheds and throttles: the retry budget, the client throttle, controlled delay.

use fuseboard_core::{ClientThrottle, ClientThrottleConfig, CoDel, Nanos, RetryBudget};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;

const SLOT: u64 = 1_000_000_000;

/// Two free retries in each two slots.
fn budget() -> Arc<RetryBudget<2>> {
    Arc::new(RetryBudget::new(0.0, 1, Nanos::new(2 * SLOT)))
}

/// L1: two threads want the last retry: one gets it. All interleavings.
#[test]
fn l1_retry_budget_last_retry() {
    explore("l1_retry_budget", ALL, 20, &[], |_| {
        let budget = budget();
        budget.withdraw(Nanos::ZERO).expect("two are free");
        let other = Arc::clone(&budget);
        let (other, mine) = beside(
            move |_| other.withdraw(Nanos::ZERO).is_ok(),
            |_| budget.withdraw(Nanos::ZERO).is_ok(),
        );
        assert!(other != mine);
        assert_eq!(budget.available(Nanos::ZERO), 0);
    });
}

/// L1, L3: one withdrawal in the old slot; two threads, one that begins the next slot, and one whose clock is still in the old one:
/// two retries in all. All interleavings.
#[test]
fn l1_l3_retry_budget_across_slots() {
    explore("l1_retry_slots", ALL, 30, &["new", "old"], |sometimes| {
        let budget = budget();
        budget.withdraw(Nanos::ZERO).expect("two are free");
        let other = Arc::clone(&budget);
        let (new, old) = beside(
            move |_| other.withdraw(Nanos::new(SLOT)).is_ok(),
            |_| budget.withdraw(Nanos::ZERO).is_ok(),
        );
        sometimes.reached(if new { "new" } else { "old" });
        assert!(new != old);
        assert_eq!(budget.available(Nanos::new(SLOT)), 0);
        // At two slots what was withdrawn in the first is forgotten.
        assert_eq!(
            budget.available(Nanos::new(2 * SLOT)),
            if new { 1 } else { 2 }
        );
    });
}

/// L1, R5: three threads, in two slots; whoever finds the new slot begun sees what was withdrawn in the old one. Bound 3.
#[test]
fn l1_r5_retry_budget_sees_the_old_slot() {
    explore("l1_retry_three", bound(3, Some(4)), 500, &[], |_| {
        let budget = budget();
        let withdraw = |now: u64| {
            let budget = Arc::clone(&budget);
            move |_: &Threads| u32::from(budget.withdraw(Nanos::new(now)).is_ok())
        };
        let threads = Threads::new();
        let others = [0, SLOT].map(|now| threads.spawn(withdraw(now)));
        let mine = threads.here(withdraw(SLOT));
        let others = others.map(|thread| thread.join().unwrap());
        assert_eq!(mine + others[0] + others[1], 2);
    });
}

/// O1: a deposit beside a withdrawal and another deposit: both count. Two threads, all interleavings.
#[test]
fn o1_retry_budget_counts_every_deposit() {
    explore("o1_deposits", ALL, 10, &[], |_| {
        let budget = Arc::new(RetryBudget::<2>::new(1.0, 0, Nanos::new(2 * SLOT)));
        let other = Arc::clone(&budget);
        let (got, ()) = beside(
            move |threads| {
                other.deposit(Nanos::new(SLOT));
                threads.step();
                other.withdraw(Nanos::new(SLOT)).is_ok()
            },
            |_| budget.deposit(Nanos::new(SLOT)),
        );
        assert!(got);
        assert_eq!(budget.available(Nanos::new(SLOT)), 1);
    });
}

/// W3, W6: two threads record into a slot that is used again: nothing is lost, and nothing old is left. All interleavings.
#[test]
fn w3_w6_throttle_slot_that_is_reused() {
    explore("w3_throttle", ALL, 20, &[], |_| {
        let config = ClientThrottleConfig::new().window(Nanos::new(2 * SLOT));
        let throttle = Arc::new(ClientThrottle::<2>::new(config));
        throttle.accepted(Nanos::ZERO);
        let now = Nanos::new(2 * SLOT);
        let other = Arc::clone(&throttle);
        beside(move |_| other.refused(now), |_| throttle.accepted(now));
        assert_eq!(throttle.counts(now), (2, 1));
    });
}

/// O1: a shed is due, and two consumers take an entry out that has waited too long: one is shed. All interleavings.
#[test]
fn o1_codel_sheds_once() {
    explore("o1_codel", ALL, 6, &[], |_| {
        let codel = Arc::new(CoDel::new(Nanos::from_millis(5), Nanos::from_millis(100)));
        let serve = |codel: &CoDel, at: u64| {
            codel.is_served(Nanos::from_millis(at - 20), Nanos::from_millis(at))
        };
        assert!(serve(&codel, 1_000));
        let other = Arc::clone(&codel);
        let (other, mine) = beside(move |_| serve(&other, 1_100), |_| serve(&codel, 1_100));
        assert!(other != mine, "one is shed, one served");
        // The next is due an interval later; the law knows of one shed.
        assert!(serve(&codel, 1_199));
        assert!(!serve(&codel, 1_200));
        assert!(serve(&codel, 1_269));
        assert!(!serve(&codel, 1_271));
    });
}

/// A fresh entry beside one that has waited too long, while the law sheds: it sheds at most the one, and a fresh one ends
/// it. Two threads, all interleavings.
#[test]
fn o1_codel_a_fresh_entry_ends_the_law() {
    explore("o1_codel_fresh", ALL, 6, &["shed", "served"], |sometimes| {
        let codel = Arc::new(CoDel::new(Nanos::from_millis(5), Nanos::from_millis(100)));
        let serve = |codel: &CoDel, at: u64, waited: u64| {
            codel.is_served(Nanos::from_millis(at - waited), Nanos::from_millis(at))
        };
        assert!(serve(&codel, 1_000, 20));
        let fresh = Arc::clone(&codel);
        let (fresh, old) = beside(
            move |_| serve(&fresh, 1_100, 1),
            |_| serve(&codel, 1_100, 20),
        );
        assert!(fresh);
        sometimes.reached(if old { "served" } else { "shed" });
        // Whatever their order, one more fresh entry ends it, and then it takes an interval to stand again.
        assert!(serve(&codel, 1_101, 1));
        assert!(!codel.is_shedding());
        assert!(serve(&codel, 1_150, 20));
        assert!(serve(&codel, 1_249, 20));
        assert!(!serve(&codel, 1_250, 20));
    });
}
