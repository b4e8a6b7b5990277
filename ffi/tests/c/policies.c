/* Every policy beside the breaker, made on the heap and in memory of the program, at fixed times. */
#include "fuseboard.h"
#include "expect.h"

#include <string.h>

/* As many bytes as any object needs here, at an address that fits nothing but bytes. */
static unsigned char memory[64 * 1024 + 1];
static void *const odd = &memory[1];
#define ODD_SIZE (sizeof memory - 1)

static void token_buckets(void)
{
    fb_token_bucket *bucket;
    fb_reservation reservation;
    uint64_t wait, units;

    EXPECT(fb_token_bucket_size() <= ODD_SIZE);
    EXPECT(fb_token_bucket_init(odd, 16, 1, SECOND, 4, &bucket, NULL) == FB_ESIZE);
    EXPECT(fb_token_bucket_init(NULL, ODD_SIZE, 1, SECOND, 4, &bucket, NULL) == FB_EINVAL);
    EXPECT(bucket == NULL);
    EXPECT(fb_token_bucket_init(odd, ODD_SIZE, 1, SECOND, 4, &bucket, NULL) == FB_OK);
    EXPECT((unsigned char *)bucket > memory && (unsigned char *)bucket < memory + sizeof memory);

    EXPECT(fb_token_bucket_acquire_up_to_at(bucket, 3, 0, &units) == FB_OK && units == 3);
    EXPECT(fb_token_bucket_acquire_up_to_at(bucket, 3, 0, &units) == FB_OK && units == 1);
    EXPECT(fb_token_bucket_reserve_at(bucket, 2, SECOND, 0, &reservation, &wait) == FB_LIMITED);
    EXPECT(wait == SECOND);
    EXPECT(fb_token_bucket_cancel_at(bucket, &reservation, 0) == FB_STALE);
    EXPECT(fb_token_bucket_reserve_at(bucket, 2, UINT64_MAX, 0, &reservation, &wait) == FB_OK);
    EXPECT(wait == 2 * SECOND);
    EXPECT(fb_token_bucket_reserve_at(bucket, 1, UINT64_MAX, 0, NULL, &wait) == FB_OK);
    EXPECT(wait == 3 * SECOND);
    EXPECT(fb_token_bucket_cancel_at(bucket, &reservation, 0) == FB_OK);
    EXPECT(fb_token_bucket_cancel_at(bucket, &reservation, 0) == FB_STALE);
    EXPECT(fb_token_bucket_reserve_at(bucket, 5, UINT64_MAX, 0, &reservation, &wait) == FB_NEVER);
    EXPECT(wait == FB_RETRY_UNKNOWN);
    EXPECT(fb_token_bucket_reset(bucket) == FB_OK);
    EXPECT(fb_token_bucket_drain_at(bucket, 10 * SECOND) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, 10 * SECOND, &wait) == FB_LIMITED);
    EXPECT(wait == SECOND);
}

static void leases(void)
{
    fb_token_bucket *bucket;
    fb_token_lease *lease, *here;
    uint64_t wait, units;

    EXPECT(fb_token_bucket_new(10, SECOND, 100, &bucket, NULL) == FB_OK);
    EXPECT(fb_token_lease_new(bucket, 10, SECOND, &lease, NULL) == FB_OK);
    EXPECT(fb_token_lease_try_acquire_at(lease, 3, 0, &wait) == FB_OK && wait == 0);
    EXPECT(fb_token_bucket_available_at(bucket, 0, &units) == FB_OK && units == 90);
    EXPECT(fb_token_lease_try_acquire_at(lease, 101, 0, &wait) == FB_NEVER);
    EXPECT(fb_token_lease_give_back_at(lease, 0) == FB_OK);
    EXPECT(fb_token_bucket_available_at(bucket, 0, &units) == FB_OK && units == 97);
    EXPECT(fb_token_lease_init(odd, ODD_SIZE, bucket, 10, SECOND, &here, NULL) == FB_OK);
    EXPECT(fb_token_lease_try_acquire(here, 1, NULL) == FB_OK && fb_token_lease_give_back(here) == FB_OK);
    EXPECT(fb_token_lease_init(odd, 8, bucket, 10, SECOND, &here, NULL) == FB_ESIZE);
    fb_token_lease_free(lease);
    fb_token_bucket_free(bucket);
}

static void warm_up(void)
{
    fb_token_bucket *bucket;
    fb_error error;

    EXPECT(fb_token_bucket_new_with_warm_up(10, SECOND, 1, 0, 3, &bucket, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "warm_up") == 0);
    EXPECT(fb_token_bucket_new_with_warm_up(10, SECOND, 1, SECOND, 0, &bucket, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "cold_factor") == 0);
    EXPECT(fb_token_bucket_new_with_warm_up(10, SECOND, 1, 10 * SECOND, 3, &bucket, &error) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND, NULL) == FB_OK);
    /* A warm one would have the next unit after a tenth of a second. */
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND + SECOND / 10, NULL) == FB_LIMITED);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND + SECOND / 10 * 3, NULL) == FB_OK);
    fb_token_bucket_free(bucket);
    EXPECT(fb_token_bucket_init_with_warm_up(odd, ODD_SIZE, 10, SECOND, 1, SECOND, 3, &bucket, NULL) == FB_OK);
}

static void sliding_counters(void)
{
    fb_sliding_counter *counter;
    fb_error error;
    uint64_t wait;
    uint32_t units;

    EXPECT(fb_sliding_counter_new(0, SECOND, &counter, &error) == FB_ECONFIG && counter == NULL);
    EXPECT(strcmp(error.field, "limit") == 0);
    EXPECT(fb_sliding_counter_new(2, SECOND, &counter, &error) == FB_OK);
    EXPECT(fb_sliding_counter_try_acquire_at(counter, 2, 0, &wait) == FB_OK && wait == 0);
    EXPECT(fb_sliding_counter_try_acquire_at(counter, 1, 0, &wait) == FB_LIMITED && wait > SECOND);
    EXPECT(fb_sliding_counter_try_acquire_at(counter, 3, 0, &wait) == FB_NEVER);
    EXPECT(fb_sliding_counter_refund_at(counter, 1, 0) == FB_OK);
    EXPECT(fb_sliding_counter_available_at(counter, 0, &units) == FB_OK && units == 1);
    EXPECT(fb_sliding_counter_set_limit(counter, 5, NULL) == FB_OK);
    EXPECT(fb_sliding_counter_available_at(counter, 0, &units) == FB_OK && units == 4);
    EXPECT(fb_sliding_counter_reset(counter) == FB_OK);
    EXPECT(fb_sliding_counter_available_at(counter, 0, &units) == FB_OK && units == 5);
    EXPECT(fb_sliding_counter_try_acquire(counter, 1, NULL) == FB_OK);
    EXPECT(fb_sliding_counter_refund(counter, 1) == FB_OK);
    EXPECT(fb_sliding_counter_available(counter, &units) == FB_OK && units == 5);
    fb_sliding_counter_free(counter);
    EXPECT(fb_sliding_counter_init(odd, ODD_SIZE, 1, SECOND, &counter, NULL) == FB_OK);
    EXPECT(fb_sliding_counter_try_acquire_at(counter, 1, 0, NULL) == FB_OK);
}

static void fixed_windows(void)
{
    fb_fixed_window *window;
    fb_error error;
    uint64_t wait, units;

    EXPECT(fb_fixed_window_new(1, 0, &window, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "window") == 0);
    EXPECT(fb_fixed_window_new(2, SECOND, &window, &error) == FB_OK);
    EXPECT(fb_fixed_window_try_acquire_at(window, 2, SECOND / 4, NULL) == FB_OK);
    EXPECT(fb_fixed_window_try_acquire_at(window, 1, SECOND / 4, &wait) == FB_LIMITED);
    EXPECT(wait == SECOND / 4 * 3);
    EXPECT(fb_fixed_window_try_acquire_at(window, 3, 0, &wait) == FB_NEVER);
    EXPECT(fb_fixed_window_refund_at(window, 1, SECOND / 4) == FB_OK);
    EXPECT(fb_fixed_window_available_at(window, SECOND / 4, &units) == FB_OK && units == 1);
    EXPECT(fb_fixed_window_available_at(window, SECOND, &units) == FB_OK && units == 2);
    EXPECT(fb_fixed_window_set_limit(window, 3, NULL) == FB_OK);
    EXPECT(fb_fixed_window_reset(window) == FB_OK);
    EXPECT(fb_fixed_window_available(window, &units) == FB_OK && units == 3);
    EXPECT(fb_fixed_window_try_acquire(window, 1, NULL) == FB_OK);
    EXPECT(fb_fixed_window_refund(window, 1) == FB_OK);
    fb_fixed_window_free(window);
    EXPECT(fb_fixed_window_init(odd, ODD_SIZE, 1, SECOND, &window, NULL) == FB_OK);
    EXPECT(fb_fixed_window_try_acquire_at(window, 1, 0, NULL) == FB_OK);
}

static void leaky_buckets(void)
{
    fb_leaky_bucket *bucket;
    fb_reservation first, second;
    fb_error error;
    uint64_t wait, turns;

    EXPECT(fb_leaky_bucket_new(0, SECOND, 1, &bucket, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "rate") == 0);
    EXPECT(fb_leaky_bucket_new(1, SECOND, 2, &bucket, &error) == FB_OK);
    EXPECT(fb_leaky_bucket_reserve_at(bucket, 1, UINT64_MAX, 0, &first, &wait) == FB_OK);
    EXPECT(wait == 0);
    EXPECT(fb_leaky_bucket_try_acquire_at(bucket, 1, 0, &wait) == FB_LIMITED && wait == SECOND);
    EXPECT(fb_leaky_bucket_reserve_at(bucket, 1, UINT64_MAX, 0, &first, &wait) == FB_OK);
    EXPECT(wait == SECOND);
    EXPECT(fb_leaky_bucket_reserve_at(bucket, 1, UINT64_MAX, 0, &second, &wait) == FB_OK);
    EXPECT(wait == 2 * SECOND);
    EXPECT(fb_leaky_bucket_reserve_at(bucket, 1, UINT64_MAX, 0, NULL, &wait) == FB_LIMITED);
    EXPECT(fb_leaky_bucket_available_at(bucket, 0, &turns) == FB_OK && turns == 0);
    EXPECT(fb_leaky_bucket_cancel_at(bucket, &second, 0) == FB_OK);
    EXPECT(fb_leaky_bucket_cancel_at(bucket, &second, 0) == FB_STALE);
    EXPECT(fb_leaky_bucket_available_at(bucket, 0, &turns) == FB_OK && turns == 1);
    EXPECT(fb_leaky_bucket_refund_at(bucket, 1, 0) == FB_OK);
    EXPECT(fb_leaky_bucket_configure(bucket, 1, SECOND, 9, NULL) == FB_OK);
    EXPECT(fb_leaky_bucket_reset(bucket) == FB_OK);
    EXPECT(fb_leaky_bucket_available(bucket, &turns) == FB_OK && turns == 10);
    EXPECT(fb_leaky_bucket_reserve(bucket, 1, 0, &first, NULL) == FB_OK);
    EXPECT(fb_leaky_bucket_cancel(bucket, &first) == FB_OK);
    EXPECT(fb_leaky_bucket_try_acquire(bucket, 1, NULL) == FB_OK);
    EXPECT(fb_leaky_bucket_refund(bucket, 1) == FB_OK);
    fb_leaky_bucket_free(bucket);
    EXPECT(fb_leaky_bucket_init(odd, ODD_SIZE, 1, SECOND, 0, &bucket, NULL) == FB_OK);
    EXPECT(fb_leaky_bucket_try_acquire_at(bucket, 1, 0, NULL) == FB_OK);
}

static void keyed_limiters(void)
{
    static const uint64_t seed[2] = {1, 2};
    fb_keyed *keyed;
    fb_error error;
    uint64_t wait, units;
    size_t places;

    EXPECT(fb_keyed_new(1, SECOND, 2, 8, 7, &keyed, &error) == FB_ECONFIG && keyed == NULL);
    EXPECT(strcmp(error.field, "when_full") == 0);
    EXPECT(fb_keyed_new(1, SECOND, 2, 0, FB_WHEN_FULL_REJECT, &keyed, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "entries") == 0);
    EXPECT(fb_keyed_new(1, SECOND, 2, 64, FB_WHEN_FULL_REJECT, &keyed, &error) == FB_OK);
    EXPECT(fb_keyed_try_acquire(keyed, "alice", 5, 2, NULL) == FB_OK);
    EXPECT(fb_keyed_available(keyed, "bob", 3, &units) == FB_OK && units == 2);
    EXPECT(fb_keyed_refund(keyed, "alice", 5, 1) == FB_OK);
    EXPECT(fb_keyed_reset(keyed) == FB_OK);
    fb_keyed_free(keyed);

    EXPECT(fb_keyed_size(SIZE_MAX) == SIZE_MAX);
    EXPECT(fb_keyed_init(odd, fb_keyed_size(64) - 1, 1, SECOND, 2, 64, FB_WHEN_FULL_REJECT, seed,
                         &keyed, NULL) == FB_ESIZE);
    EXPECT(fb_keyed_init(odd, fb_keyed_size(64), 1, SECOND, 2, 64, FB_WHEN_FULL_REJECT, seed,
                         &keyed, NULL) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, "alice", 5, 2, SECOND, NULL) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, "alice", 5, 1, SECOND, &wait) == FB_LIMITED);
    EXPECT(wait == SECOND);
    EXPECT(fb_keyed_try_acquire_at(keyed, "alice", 5, 3, SECOND, &wait) == FB_NEVER);
    EXPECT(fb_keyed_try_acquire_at(keyed, "alic", 4, 1, SECOND, &wait) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, "", 0, 1, SECOND, &wait) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, NULL, 0, 1, SECOND, &wait) == FB_EINVAL);
    EXPECT(fb_keyed_refund_at(keyed, "alice", 5, 1, SECOND) == FB_OK);
    EXPECT(fb_keyed_available_at(keyed, "alice", 5, SECOND, &units) == FB_OK && units == 1);
    EXPECT(fb_keyed_overflows(keyed, &units) == FB_OK && units == 0);
    EXPECT(fb_keyed_live_at(keyed, SECOND, &places) == FB_OK && places == 3);
    EXPECT(fb_keyed_live_at(keyed, 100 * SECOND, &places) == FB_OK && places == 0);
    EXPECT(fb_keyed_live(keyed, &places) == FB_OK);
    EXPECT(fb_keyed_configure(keyed, 0, SECOND, 2, &error) == FB_ECONFIG);
    EXPECT(fb_keyed_configure(keyed, 1, SECOND, 4, NULL) == FB_OK);
    EXPECT(fb_keyed_available_at(keyed, "carol", 5, SECOND, &units) == FB_OK && units == 4);

    EXPECT(fb_keyed_init(odd, ODD_SIZE, 1, SECOND, 1, 1, FB_WHEN_FULL_REJECT, seed, &keyed,
                         NULL) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, "alice", 5, 1, SECOND, NULL) == FB_OK);
    EXPECT(fb_keyed_try_acquire_at(keyed, "bob", 3, 1, SECOND, NULL) == FB_LIMITED);
    EXPECT(fb_keyed_overflows(keyed, &units) == FB_OK && units == 1);
}

static void concurrency_limits(void)
{
    fb_concurrency *places;

    EXPECT(fb_concurrency_init(odd, ODD_SIZE, 4, &places, NULL) == FB_OK);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 500000, 0) == FB_OK);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 500000, 0) == FB_OK);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 500000, 0) == FB_FULL);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 500000, 255) == FB_OK);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 1000001, 255) == FB_EINVAL);
    EXPECT(fb_concurrency_release(places) == FB_OK);
}

static void adaptive_limits(void)
{
    fb_adaptive_config config;
    fb_adaptive_permit permit, other;
    fb_adaptive *adaptive;
    fb_error error;
    uint32_t number;

    EXPECT(fb_adaptive_config_init(&config, sizeof config - 1) == FB_ESIZE);
    EXPECT(fb_adaptive_config_init(&config, sizeof config) == FB_OK);
    config.algorithm = 9;
    EXPECT(fb_adaptive_new(&config, &adaptive, &error) == FB_ECONFIG && adaptive == NULL);
    EXPECT(strcmp(error.field, "algorithm") == 0 && strstr(error.message, "9") != NULL);
    config.algorithm = FB_ALGORITHM_AIMD;
    config.max_limit = 0;
    EXPECT(fb_adaptive_new(&config, &adaptive, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "max_limit") == 0);
    config.max_limit = 20;
    config.min_samples = 1;
    EXPECT(fb_adaptive_new(&config, &adaptive, &error) == FB_OK);
    EXPECT(fb_adaptive_try_acquire(adaptive, &permit) == FB_OK);
    EXPECT(fb_adaptive_settle(adaptive, &permit, FB_IGNORED) == FB_OK);
    fb_adaptive_free(adaptive);

    EXPECT(fb_adaptive_init(odd, ODD_SIZE, &config, &adaptive, &error) == FB_OK);
    EXPECT(fb_adaptive_try_acquire_at(adaptive, SECOND, &permit) == FB_OK);
    EXPECT(fb_adaptive_try_acquire_prioritized_at(adaptive, 0, 0, SECOND, &other) == FB_FULL);
    EXPECT(fb_adaptive_settle_at(adaptive, &other, FB_SUCCESS, SECOND) == FB_STALE);
    EXPECT(fb_adaptive_try_acquire_prioritized_at(adaptive, 0, 255, SECOND, &other) == FB_OK);
    EXPECT(fb_adaptive_in_flight(adaptive, &number) == FB_OK && number == 2);
    EXPECT(fb_adaptive_settle_at(adaptive, &other, FB_SUCCESS, SECOND + 1000000) == FB_OK);
    EXPECT(fb_adaptive_settle_at(adaptive, &other, FB_SUCCESS, SECOND + 1000000) == FB_STALE);
    EXPECT(fb_adaptive_settle_at(adaptive, &permit, 7, 2 * SECOND) == FB_EINVAL);
    EXPECT(fb_adaptive_settle_at(adaptive, &permit, FB_FAILURE, 2 * SECOND) == FB_OK);
    EXPECT(fb_adaptive_in_flight(adaptive, &number) == FB_OK && number == 0);
    EXPECT(fb_adaptive_limit(adaptive, &number) == FB_OK && number == 18);
    config.min_limit = 20;
    EXPECT(fb_adaptive_configure(adaptive, &config, NULL) == FB_OK);
    EXPECT(fb_adaptive_limit(adaptive, &number) == FB_OK && number == 20);
}

/* X1: a call that one policy rejects leaves no trace in the others. */
static void composed_admission(void)
{
    fb_breaker_config settings;
    fb_breaker *breaker;
    fb_concurrency *places;
    fb_token_bucket *bucket;
    fb_adaptive *adaptive;
    fb_adaptive_config limits;
    fb_admission all;
    fb_permit first, second;
    uint64_t wait, units;
    uint32_t in_flight;

    EXPECT(fb_breaker_config_parse(&settings, sizeof settings, "window=consecutive(1)", NULL) ==
           FB_OK);
    EXPECT(fb_breaker_new(&settings, &breaker, NULL) == FB_OK);
    EXPECT(fb_concurrency_new(1, &places, NULL) == FB_OK);
    EXPECT(fb_token_bucket_new(1, SECOND, 2, &bucket, NULL) == FB_OK);
    EXPECT(fb_adaptive_config_init(&limits, sizeof limits) == FB_OK);
    EXPECT(fb_adaptive_new(&limits, &adaptive, NULL) == FB_OK);

    all.struct_size = sizeof all;
    all.breaker = breaker;
    all.concurrency = places;
    all.adaptive = adaptive;
    all.token_bucket = bucket;
    EXPECT(fb_admission_try_acquire_at(&all, 1, 0, &first, &wait) == FB_EINVAL);
    all.adaptive = NULL;
    EXPECT(fb_admission_try_acquire_at(&all, 1, 0, &first, &wait) == FB_OK && wait == 0);
    EXPECT(fb_admission_try_acquire_at(&all, 1, 0, &second, &wait) == FB_FULL);
    EXPECT(fb_token_bucket_available_at(bucket, 0, &units) == FB_OK && units == 1);
    EXPECT(fb_admission_settle_at(&all, &first, FB_SUCCESS, 0) == FB_OK);
    EXPECT(fb_admission_settle_at(&all, &first, FB_SUCCESS, 0) == FB_STALE);
    EXPECT(fb_concurrency_in_flight(places, &in_flight) == FB_OK && in_flight == 0);
    EXPECT(fb_admission_try_acquire_at(&all, 2, 0, &second, &wait) == FB_LIMITED);
    EXPECT(wait == SECOND);
    EXPECT(fb_concurrency_in_flight(places, &in_flight) == FB_OK && in_flight == 0);
    EXPECT(fb_admission_try_acquire_at(&all, 1, 0, &first, NULL) == FB_OK);
    EXPECT(fb_admission_cancel(&all, &first) == FB_OK);
    EXPECT(fb_admission_try_acquire_at(&all, 1, SECOND, &first, NULL) == FB_OK);
    EXPECT(fb_admission_settle_at(&all, &first, FB_FAILURE, SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    EXPECT(fb_admission_try_acquire_at(&all, 1, 2 * SECOND, &first, &wait) == FB_OPEN);
    EXPECT(wait == 29 * SECOND);
    EXPECT(fb_token_bucket_available_at(bucket, 2 * SECOND, &units) == FB_OK && units == 1);

    EXPECT(fb_breaker_reset(breaker) == FB_OK);
    all.concurrency = NULL;
    all.adaptive = adaptive;
    all.token_bucket = NULL;
    EXPECT(fb_admission_try_acquire(&all, 1, &first, NULL) == FB_OK);
    EXPECT(fb_adaptive_in_flight(adaptive, &in_flight) == FB_OK && in_flight == 1);
    EXPECT(fb_admission_settle(&all, &first, FB_SUCCESS) == FB_OK);
    EXPECT(fb_adaptive_in_flight(adaptive, &in_flight) == FB_OK && in_flight == 0);

    all.struct_size = 0;
    EXPECT(fb_admission_try_acquire(&all, 1, &first, NULL) == FB_ESIZE);
    fb_breaker_free(breaker);
    fb_concurrency_free(places);
    fb_token_bucket_free(bucket);
    fb_adaptive_free(adaptive);
}

static void retry_budgets(void)
{
    fb_retry_budget *budget;
    fb_error error;
    uint64_t units;
    int request;

    EXPECT(fb_retry_budget_new(200000, 0, 0, &budget, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "ttl") == 0);
    EXPECT(fb_retry_budget_new(200000, 0, 10 * SECOND, &budget, &error) == FB_OK);
    EXPECT(fb_retry_budget_withdraw_at(budget, 0, NULL) == FB_LIMITED);
    for (request = 0; request < 10; request++)
        EXPECT(fb_retry_budget_deposit_at(budget, 0) == FB_OK);
    EXPECT(fb_retry_budget_available_at(budget, 0, &units) == FB_OK && units == 2);
    EXPECT(fb_retry_budget_withdraw_at(budget, 0, &units) == FB_OK && units == 0);
    EXPECT(fb_retry_budget_withdraw_at(budget, 0, NULL) == FB_OK);
    EXPECT(fb_retry_budget_withdraw_at(budget, 0, NULL) == FB_LIMITED);
    EXPECT(fb_retry_budget_configure(budget, 1000000, 0, NULL) == FB_OK);
    EXPECT(fb_retry_budget_available_at(budget, 0, &units) == FB_OK && units == 8);
    fb_retry_budget_free(budget);
    EXPECT(fb_retry_budget_init(odd, ODD_SIZE, 0, 10, 10 * SECOND, &budget, NULL) == FB_OK);
    EXPECT(fb_retry_budget_deposit(budget) == FB_OK);
    EXPECT(fb_retry_budget_withdraw(budget, NULL) == FB_OK);
    EXPECT(fb_retry_budget_available(budget, &units) == FB_OK && units > 0);
}

static void throttles(void)
{
    fb_throttle *throttle;
    fb_error error;
    uint64_t requests, accepts;
    int request, rejected = 0;

    EXPECT(fb_throttle_new(999999, SECOND, 10, 0, &throttle, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "multiplier") == 0);
    EXPECT(fb_throttle_new(2000000, 120 * SECOND, 10, 7, &throttle, &error) == FB_OK);
    for (request = 0; request < 1000; request++) {
        if (fb_throttle_try_acquire_at(throttle, SECOND) == FB_OK)
            EXPECT(fb_throttle_refused_at(throttle, SECOND) == FB_OK);
        else
            rejected++;
    }
    EXPECT(rejected > 500);
    EXPECT(fb_throttle_counts_at(throttle, SECOND, &requests, &accepts) == FB_OK);
    EXPECT(requests == 1000 && accepts == 0);
    EXPECT(fb_throttle_counts_at(throttle, 1000 * SECOND, &requests, NULL) == FB_OK);
    EXPECT(requests == 0);
    EXPECT(fb_throttle_configure(throttle, 2000000, SECOND, 10, 7, &error) == FB_ECONFIG);
    EXPECT(fb_throttle_configure(throttle, 3000000, 120 * SECOND, 10, 7, NULL) == FB_OK);
    fb_throttle_free(throttle);
    EXPECT(fb_throttle_init(odd, ODD_SIZE, 2000000, 120 * SECOND, 10, 7, &throttle, NULL) == FB_OK);
    EXPECT(fb_throttle_try_acquire(throttle) == FB_OK);
    EXPECT(fb_throttle_accepted(throttle) == FB_OK);
    EXPECT(fb_throttle_refused(throttle) == FB_OK);
    EXPECT(fb_throttle_counts(throttle, &requests, &accepts) == FB_OK);
    EXPECT(requests == 2 && accepts == 1);
}

static void codels(void)
{
    fb_codel *codel;
    fb_error error;
    int32_t is_shedding;
    uint64_t now, dropped = 0;

    EXPECT(fb_codel_new(0, SECOND, &codel, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "target") == 0);
    EXPECT(fb_codel_new(5000000, 100000000, &codel, &error) == FB_OK);
    EXPECT(fb_codel_try_serve_at(codel, SECOND, SECOND) == FB_OK);
    EXPECT(fb_codel_is_shedding(codel, &is_shedding) == FB_OK && is_shedding == 0);
    /* Every request waits for a second: the queue stands. */
    for (now = 2 * SECOND; now < 4 * SECOND; now += 10000000)
        dropped += fb_codel_try_serve_at(codel, now - SECOND, now) == FB_FULL;
    EXPECT(dropped > 5);
    EXPECT(fb_codel_is_shedding(codel, &is_shedding) == FB_OK && is_shedding == 1);
    EXPECT(fb_codel_configure(codel, 6000000, 100000000, NULL) == FB_OK);
    fb_codel_free(codel);
    EXPECT(fb_codel_init(odd, ODD_SIZE, 5000000, 100000000, &codel, NULL) == FB_OK);
    EXPECT(fb_codel_try_serve(codel, UINT64_MAX) == FB_OK);
}

static void latencies(void)
{
    fb_latency_histogram *histogram;
    uint64_t calls, nanoseconds;

    EXPECT(fb_latency_histogram_init(odd, ODD_SIZE, &histogram, NULL) == FB_OK);
    EXPECT(fb_latency_histogram_quantile(histogram, 500000, &nanoseconds) == FB_STALE);
    for (calls = 1; calls <= 100; calls++)
        EXPECT(fb_latency_histogram_record(histogram, calls * 1000000) == FB_OK);
    EXPECT(fb_latency_histogram_quantile(histogram, 990000, &nanoseconds) == FB_OK);
    EXPECT(nanoseconds >= 99000000 && nanoseconds <= 108009000);
    EXPECT(fb_latency_histogram_quantile(histogram, 1000001, &nanoseconds) == FB_EINVAL);
    EXPECT(fb_latency_histogram_totals(histogram, &calls, &nanoseconds) == FB_OK && calls == 100);
    EXPECT(nanoseconds > SECOND * 48 / 10 && nanoseconds < SECOND * 53 / 10);
    EXPECT(fb_latency_histogram_new(&histogram, NULL) == FB_OK);
    EXPECT(fb_latency_histogram_totals(histogram, &calls, NULL) == FB_OK && calls == 0);
    fb_latency_histogram_free(histogram);
}

int main(void)
{
    token_buckets();
    leases();
    warm_up();
    sliding_counters();
    fixed_windows();
    leaky_buckets();
    keyed_limiters();
    concurrency_limits();
    adaptive_limits();
    composed_admission();
    retry_budgets();
    throttles();
    codels();
    latencies();
    puts("policies: ok");
    return 0;
}
