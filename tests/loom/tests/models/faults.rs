//! Each model fails when the shipped code has the fault that it is there to find.
//!
//! The faults are in the same build (`--cfg fuseboard_faults`), and `FUSEBOARD_FAULT` names the one that is made; a model is run
//! by a process of its own. `tests/faults/list.txt` says what each of them breaks.

use std::env;
use std::process::Command;

/// (fault, the model that must find it). At least one row for each model's word protocol.
const FAULTS: &[(&str, &str)] = &[
    (
        "admission_breaker_first",
        "admission::x1_without_tokens_the_breaker_stays_open",
    ),
    (
        "admission_keeps_place",
        "admission::x1_the_limiter_rejects_one",
    ),
    (
        "admission_keeps_tokens",
        "admission::x1_b3_one_probe_and_nothing_kept",
    ),
    (
        "admission_keeps_tokens",
        "admission::x1_b13_forced_open_meanwhile",
    ),
    (
        "board_claims_without_looking",
        "board::s3_two_claimers_of_one_name",
    ),
    (
        "board_publishes_only_its_own",
        "board::s3_two_claimers_of_one_name",
    ),
    (
        "board_publishes_any_draft",
        "board::s5_claim_beside_a_removal",
    ),
    (
        "board_carries_only_its_own",
        "board::k1_s5_cells_add_up_to_the_total",
    ),
    (
        "board_deed_done_twice",
        "board::s5_a_dead_owner_is_reclaimed_beside_a_taker",
    ),
    (
        "adaptive_epoch_ahead",
        "concurrency::t1_adaptive_clock_that_was_ahead",
    ),
    ("adaptive_old_bounds", "concurrency::k4_adaptive_new_bounds"),
    (
        "adaptive_two_closers",
        "concurrency::k2_adaptive_one_congestion_one_decrease",
    ),
    ("codel_law_store", "throttles::o1_codel_sheds_once"),
    (
        "concurrency_check_then_add",
        "concurrency::k1_k2_r5_enter_and_leave",
    ),
    (
        "concurrency_check_then_add",
        "concurrency::k1_k2_three_threads_enter_and_leave",
    ),
    (
        "concurrency_check_then_add",
        "concurrency::k1_two_low_priorities_for_one_place",
    ),
    ("release_relaxed", "concurrency::k1_k2_r5_enter_and_leave"),
    ("limit_store", "concurrency::k4_lowering_the_limit"),
    (
        "counter_store",
        "windows::l1_l3_sliding_counter_across_its_edge",
    ),
    ("counter_store", "windows::l4_sliding_counter_refund"),
    (
        "window_store",
        "windows::l1_l3_fixed_window_across_its_edge",
    ),
    ("window_store", "windows::l4_fixed_window_refund"),
    (
        "log_fills_once",
        "windows::l1_t3_log_with_a_clock_that_moves_on",
    ),
    ("keyed_tat_store", "keyed::l1_l2_a_key_enters_once"),
    (
        "keyed_tat_store",
        "keyed::l1_l2_two_keys_for_an_expired_place",
    ),
    (
        "keyed_no_look",
        "keyed::l1_l2_t3_a_key_enters_one_of_two_places",
    ),
    (
        "keyed_no_fence",
        "keyed::l1_l2_t3_a_key_enters_one_of_two_places",
    ),
    (
        "keyed_no_horizon",
        "keyed::l1_l3_put_out_and_back_by_a_stale_clock",
    ),
    (
        "keyed_torn_entry",
        "keyed::l1_l2_a_key_is_put_out_while_it_is_asked_for",
    ),
    (
        "keyed_no_version",
        "keyed::l1_l2_a_key_is_put_out_while_it_is_asked_for",
    ),
    (
        "keyed_torn_entry",
        "keyed::l1_l2_a_key_is_put_out_of_a_whole_line",
    ),
    (
        "keyed_owner_first",
        "keyed::l1_l2_a_key_is_put_out_of_a_whole_line",
    ),
    (
        "keyed_no_version",
        "keyed::l1_l2_a_key_is_put_out_of_a_whole_line",
    ),
    ("tat_store", "token_bucket::l1_l3_t3_stale_times"),
    (
        "tat_store",
        "token_bucket::l1_l2_three_threads_for_two_units",
    ),
    ("tat_store", "token_bucket::l4_l10_admit_and_refund"),
    (
        "tat_store",
        "token_bucket::l11_reservations_get_one_turn_each",
    ),
    (
        "tat_store",
        "token_bucket::l11_paced_turns_and_a_full_queue",
    ),
    ("tat_store", "token_bucket::h1_lease_beside_direct_requests"),
    (
        "cancel_moves_the_queue",
        "token_bucket::l4_l11_cancel_beside_reserve",
    ),
    (
        "returned_twice",
        "token_bucket::l1_l4_a_late_cancel_beside_an_admission",
    ),
    (
        "returned_twice",
        "token_bucket::h1_l1_an_idle_lease_expires",
    ),
    ("torn_quota", "token_bucket::l12_a_request_beside_a_change"),
    (
        "quota_burst_last",
        "token_bucket::l12_a_request_beside_a_change",
    ),
    ("quota_unchecked", "token_bucket::l12_two_changes_at_once"),
    (
        "retry_budget_store",
        "throttles::l1_retry_budget_last_retry",
    ),
    (
        "retry_budget_forgets_slot",
        "throttles::l1_l3_retry_budget_across_slots",
    ),
    (
        "retry_budget_relaxed",
        "throttles::l1_r5_retry_budget_sees_the_old_slot",
    ),
    (
        "slots_store",
        "throttles::w3_w6_throttle_slot_that_is_reused",
    ),
    (
        "slots_store",
        "throttles::o1_retry_budget_counts_every_deposit",
    ),
    (
        "slots_keep_old",
        "throttles::w3_w6_throttle_slot_that_is_reused",
    ),
    ("word_store", "breaker::b3_b4_one_probe_at_the_deadline"),
    (
        "generation_stands_still",
        "breaker::b13_b14_configure_beside_a_trip",
    ),
    (
        "moment_after_swap",
        "breaker::b7_b19_no_new_state_with_an_old_moment",
    ),
    (
        "probe_without_generation",
        "breaker::b10_lost_probe_is_taken_over_once",
    ),
    (
        "slot_load_relaxed",
        "breaker::b9_b12_b13_reset_against_a_failure",
    ),
    (
        "record_without_recheck",
        "breaker::b9_b12_b13_reset_against_a_failure",
    ),
    (
        "prepare_without_tick",
        "breaker::w7_a_late_recorder_takes_no_newer_slot",
    ),
    ("count_no_help", "breaker::w10_count_window_is_exact"),
    (
        "cut_short_forgets_totals",
        "breaker::w3_w10_a_weighted_call_is_whole_beside_a_reset",
    ),
    (
        "ring_no_version",
        "breaker::w10_a_stalled_helper_spoils_no_place",
    ),
    (
        "judges_its_own_tick",
        "breaker::b8_two_failures_in_two_slots_trip",
    ),
    ("handle_claim_twice", "handles::h1_one_handle_has_one_owner"),
    (
        "handle_tag_first",
        "handles::w6_a_slot_that_changes_hands_is_never_misread",
    ),
    (
        "overdue_leaves_late",
        "overdue::b9_a_call_that_ends_is_never_counted_twice",
    ),
    (
        "overdue_leaves_any_slot",
        "overdue::w6_a_call_begins_where_another_ends",
    ),
    (
        "overdue_store",
        "overdue::w3_two_calls_begin_beside_a_reset",
    ),
    (
        "board_log_without_fence",
        "log::b15_a_boards_change_is_never_read_in_halves",
    ),
    (
        "log_without_fence",
        "log::b15_a_change_is_never_read_in_halves",
    ),
    (
        "snapshot_of_two_moments",
        "breaker::b14_o3_a_snapshot_is_of_one_moment",
    ),
    (
        "newer_slots_came_before",
        "breaker::b8_two_successes_in_two_slots_judge",
    ),
];

#[test]
fn each_model_finds_its_fault() {
    let program = env::current_exe().expect("the path of this test");
    let mut missed = Vec::new();
    for (fault, model) in FAULTS {
        let output = Command::new(&program)
            .args(["--exact", model, "--nocapture"])
            .env("FUSEBOARD_FAULT", fault)
            .output()
            .expect("this test runs again");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        // Failing for another reason is not finding it.
        let other = [
            "there is no fault",
            "loom does not see the words",
            "never reached",
            "running 0",
        ];
        if output.status.success() || other.iter().any(|reason| said.contains(reason)) {
            missed.push(format!("{fault} by {model}"));
        } else {
            println!("{fault}: found by {model}");
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}
