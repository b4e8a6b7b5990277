/* Every object once, on a virtual clock: a breaker goes closed, open, half_open, closed; the three
 * limiters admit what they promise. */
#include "expect.h"
#include "fuseboard.h"

#include <string.h>

struct seen {
    int count;
    fb_state to[8];
    fb_cause cause[8];
    uint64_t failures[8];
    uint64_t at_ns[8];
};

static void note(void *user, const fb_transition *transition)
{
    struct seen *seen = user;
    EXPECT(transition->struct_size == sizeof *transition);
    EXPECT(seen->count < 8);
    seen->to[seen->count] = transition->to;
    seen->cause[seen->count] = transition->cause;
    seen->failures[seen->count] = transition->failures;
    seen->at_ns[seen->count] = transition->at_ns;
    seen->count++;
}

static void breaker(void)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    fb_error error;
    fb_permit permit, probe, late;
    fb_snapshot snapshot;
    struct seen seen;
    uint64_t retry = 1;
    int i;

    memset(&seen, 0, sizeof seen);
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.minimum_requests = 4;
    config.open_timeout_ns = 30 * SECOND;
    config.half_open_requests = 1;
    EXPECT(fb_breaker_new(&config, &breaker, &error) == FB_OK);
    EXPECT(breaker != NULL && error.field[0] == '\0' && error.message[0] == '\0');
    EXPECT(fb_breaker_on_transition(breaker, note, &seen) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);

    /* A call that ends long after the state has changed. */
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &late, &retry) == FB_OK);
    EXPECT(retry == 0);

    for (i = 0; i < 4; i++) {
        EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
        EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL) == FB_OK);
        EXPECT(fb_breaker_settle_at(breaker, &permit, i < 2 ? FB_SUCCESS : FB_FAILURE, SECOND)
               == FB_OK);
    }
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    EXPECT(seen.count == 1 && seen.to[0] == FB_STATE_OPEN && seen.failures[0] == 2);
    EXPECT(seen.cause[0] == FB_CAUSE_FAILURE_RATE && seen.at_ns[0] == SECOND);

    EXPECT(fb_breaker_try_acquire_at(breaker, 11 * SECOND, &permit, &retry) == FB_OPEN);
    EXPECT(retry == 20 * SECOND);
    EXPECT(fb_breaker_check_at(breaker, 31 * SECOND - 1, &retry) == FB_OPEN && retry == 1);
    EXPECT(fb_breaker_check_at(breaker, 31 * SECOND, &retry) == FB_OK && retry == 0);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    EXPECT(fb_breaker_settle_at(breaker, &late, FB_SUCCESS, 12 * SECOND) == FB_STALE);

    /* One probe is let in, and no other; cancelling it frees its place. */
    EXPECT(fb_breaker_try_acquire_at(breaker, 31 * SECOND, &probe, NULL) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_HALF_OPEN);
    EXPECT(fb_breaker_try_acquire_at(breaker, 31 * SECOND, &permit, NULL) == FB_HALF_OPEN_FULL);
    EXPECT(fb_breaker_cancel(breaker, &probe) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, 31 * SECOND, &probe, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &probe, FB_SUCCESS, 32 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    EXPECT(seen.count == 3);
    EXPECT(seen.to[1] == FB_STATE_HALF_OPEN && seen.cause[1] == FB_CAUSE_OPEN_TIMEOUT_ELAPSED);
    EXPECT(seen.to[2] == FB_STATE_CLOSED && seen.cause[2] == FB_CAUSE_PROBES_SUCCEEDED);

    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, 32 * SECOND, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_CLOSED && snapshot.generation == 3);
    EXPECT(snapshot.in_flight == 0 && snapshot.window_calls == 0);
    EXPECT(snapshot.since_ns == 32 * SECOND && snapshot.retry_after_ns == 0);
    EXPECT(snapshot.rejected == 2);

    /* An operator. */
    EXPECT(fb_breaker_force_open_at(breaker, 33 * SECOND) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, 900 * SECOND, &permit, &retry) == FB_FORCED_OPEN);
    EXPECT(retry == FB_RETRY_UNKNOWN);
    EXPECT(fb_breaker_disable_at(breaker, 34 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_DISABLED);
    EXPECT(fb_breaker_metrics_only_at(breaker, 35 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_METRICS_ONLY);
    EXPECT(fb_breaker_reset_at(breaker, 36 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    EXPECT(seen.count == 7 && seen.cause[6] == FB_CAUSE_MANUAL);

    config.minimum_requests = 1;
    EXPECT(fb_breaker_configure(breaker, &config, &error) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, 37 * SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, 37 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    fb_breaker_free(breaker);
}

static void consecutive(void)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    fb_permit permit;
    int i;

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.window_kind = FB_WINDOW_CONSECUTIVE;
    config.window_calls = 3;
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    for (i = 0; i < 3; i++) {
        EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
        EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL) == FB_OK);
        EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, SECOND) == FB_OK);
    }
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    fb_breaker_free(breaker);
}

/* The functions that read the clock; no time is asserted but that it is the host's. */
static void real_clock(void)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    fb_permit permit;
    fb_snapshot snapshot;
    uint64_t retry = 0;

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.minimum_requests = 1;
    config.open_timeout_ns = 3600 * SECOND;
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    EXPECT(fb_breaker_check(breaker, NULL) == FB_OK);
    EXPECT(fb_breaker_try_acquire(breaker, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle(breaker, &permit, FB_FAILURE) == FB_OK);
    EXPECT(fb_breaker_try_acquire(breaker, &permit, &retry) == FB_OPEN);
    EXPECT(retry > 0 && retry <= 3600 * SECOND);
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot(breaker, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_OPEN && snapshot.since_ns > 0);
    EXPECT(fb_breaker_force_open(breaker) == FB_OK);
    EXPECT(fb_breaker_disable(breaker) == FB_OK);
    EXPECT(fb_breaker_metrics_only(breaker) == FB_OK);
    EXPECT(fb_breaker_reset(breaker) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    fb_breaker_free(breaker);
}

static void token_bucket(void)
{
    fb_token_bucket *bucket = NULL;
    uint64_t retry = 0, available = 0;

    /* 10 a second, 5 at once. */
    EXPECT(fb_token_bucket_new(10, SECOND, 5, &bucket, NULL) == FB_OK);
    EXPECT(fb_token_bucket_available_at(bucket, SECOND, &available) == FB_OK && available == 5);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 5, SECOND, &retry) == FB_OK && retry == 0);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND, &retry) == FB_LIMITED);
    EXPECT(retry == SECOND / 10);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND + retry - 1, NULL) == FB_LIMITED);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, SECOND + retry, NULL) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 6, 99 * SECOND, &retry) == FB_NEVER);
    EXPECT(retry == FB_RETRY_UNKNOWN);
    EXPECT(fb_token_bucket_try_acquire_at(bucket, 5, 99 * SECOND, NULL) == FB_OK);
    EXPECT(fb_token_bucket_refund_at(bucket, 2, 99 * SECOND) == FB_OK);
    EXPECT(fb_token_bucket_available_at(bucket, 99 * SECOND, &available) == FB_OK);
    EXPECT(available == 2);
    EXPECT(fb_token_bucket_configure(bucket, 100, SECOND, 50, NULL) == FB_OK);
    EXPECT(fb_token_bucket_reset(bucket) == FB_OK);
    EXPECT(fb_token_bucket_available_at(bucket, 99 * SECOND, &available) == FB_OK);
    EXPECT(available == 50);
    fb_token_bucket_free(bucket);

    EXPECT(fb_token_bucket_new(1, 3600 * SECOND, 1, &bucket, NULL) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire(bucket, 1, NULL) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire(bucket, 1, &retry) == FB_LIMITED && retry > 0);
    EXPECT(fb_token_bucket_refund(bucket, 1) == FB_OK);
    EXPECT(fb_token_bucket_available(bucket, &available) == FB_OK && available == 1);
    fb_token_bucket_free(bucket);
}

static void sliding_log(void)
{
    static const uint32_t limits[] = {1, 16, 17, 128, 129, 1024, 1025, FB_SLIDING_LOG_MAX};
    fb_sliding_log *log = NULL;
    uint64_t retry = 0;
    uint32_t available = 0;
    size_t i;

    /* 3 in any second. */
    EXPECT(fb_sliding_log_new(3, SECOND, &log, NULL) == FB_OK);
    EXPECT(fb_sliding_log_try_acquire_at(log, 1, 5 * SECOND, &retry) == FB_OK && retry == 0);
    EXPECT(fb_sliding_log_try_acquire_at(log, 2, 5 * SECOND + 100, NULL) == FB_OK);
    EXPECT(fb_sliding_log_available_at(log, 5 * SECOND + 100, &available) == FB_OK);
    EXPECT(available == 0);
    EXPECT(fb_sliding_log_try_acquire_at(log, 1, 5 * SECOND + 200, &retry) == FB_LIMITED);
    EXPECT(retry == SECOND - 200);
    EXPECT(fb_sliding_log_try_acquire_at(log, 1, 6 * SECOND - 1, NULL) == FB_LIMITED);
    EXPECT(fb_sliding_log_try_acquire_at(log, 1, 6 * SECOND, NULL) == FB_OK);
    EXPECT(fb_sliding_log_try_acquire_at(log, 1, 6 * SECOND, NULL) == FB_LIMITED);
    EXPECT(fb_sliding_log_try_acquire_at(log, 4, 60 * SECOND, NULL) == FB_NEVER);
    fb_sliding_log_free(log);

    for (i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint32_t n;
        EXPECT(fb_sliding_log_new(limits[i], 3600 * SECOND, &log, NULL) == FB_OK);
        EXPECT(fb_sliding_log_available(log, &available) == FB_OK && available == limits[i]);
        for (n = 0; n < limits[i]; n++) {
            EXPECT(fb_sliding_log_try_acquire(log, 1, NULL) == FB_OK);
        }
        EXPECT(fb_sliding_log_try_acquire(log, 1, &retry) == FB_LIMITED && retry > 0);
        fb_sliding_log_free(log);
    }
}

static void concurrency(void)
{
    fb_concurrency *calls = NULL;
    uint32_t number = 9;

    EXPECT(fb_concurrency_new(2, &calls, NULL) == FB_OK);
    EXPECT(fb_concurrency_try_acquire(calls) == FB_OK);
    EXPECT(fb_concurrency_try_acquire(calls) == FB_OK);
    EXPECT(fb_concurrency_try_acquire(calls) == FB_FULL);
    EXPECT(fb_concurrency_set_limit(calls, 3, NULL) == FB_OK);
    EXPECT(fb_concurrency_limit(calls, &number) == FB_OK && number == 3);
    EXPECT(fb_concurrency_try_acquire(calls) == FB_OK);
    EXPECT(fb_concurrency_in_flight(calls, &number) == FB_OK && number == 3);
    EXPECT(fb_concurrency_release(calls) == FB_OK);
    EXPECT(fb_concurrency_release(calls) == FB_OK);
    EXPECT(fb_concurrency_release(calls) == FB_OK);
    EXPECT(fb_concurrency_release(calls) == FB_STALE);
    EXPECT(fb_concurrency_in_flight(calls, &number) == FB_OK && number == 0);
    fb_concurrency_free(calls);
}

static void version(void)
{
    char expected[32];

    EXPECT(fb_abi_version() == FB_ABI_VERSION);
    snprintf(expected, sizeof expected, "%d.%d.%d", (int)FB_VERSION_MAJOR, (int)FB_VERSION_MINOR,
             (int)FB_VERSION_PATCH);
    EXPECT(strcmp(fb_version_string(), expected) == 0);
    EXPECT(strcmp(fb_state_string(FB_STATE_HALF_OPEN), "half_open") == 0);
    EXPECT(strcmp(fb_status_string(FB_OPEN), "the circuit breaker is open") == 0);
}

int main(void)
{
    version();
    breaker();
    consecutive();
    real_clock();
    token_bucket();
    sliding_log();
    concurrency();
    puts("smoke: ok");
    return 0;
}
