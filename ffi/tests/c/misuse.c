/* Wrong arguments are answered, never followed: NULL, misaligned pointers, wrong sizes, numbers out
 * of range, permits that were settled or never given. */
#include "expect.h"
#include "fuseboard.h"

#include <string.h>

static fb_breaker *one_breaker(void)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.minimum_requests = 2;
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    return breaker;
}

static void ignore_transition(void *user, const fb_transition *transition)
{
    (void)user;
    (void)transition;
}

static void null(void)
{
    fb_breaker *breaker = one_breaker();
    fb_breaker *out = NULL;
    fb_breaker_config config;
    fb_snapshot snapshot;
    fb_permit permit = {{0, 0}};
    uint64_t number = 7;
    uint32_t small = 7;

    EXPECT(fb_breaker_config_init(NULL, sizeof config) == FB_EINVAL);
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(fb_breaker_new(NULL, &out, NULL) == FB_EINVAL && out == NULL);
    EXPECT(fb_breaker_new(&config, NULL, NULL) == FB_EINVAL);
    fb_breaker_free(NULL);

    EXPECT(fb_breaker_try_acquire(NULL, &permit, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_try_acquire(breaker, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_try_acquire_at(NULL, 1, &permit, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_try_acquire_at(breaker, 1, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_settle(NULL, &permit, FB_SUCCESS) == FB_EINVAL);
    EXPECT(fb_breaker_settle(breaker, NULL, FB_SUCCESS) == FB_EINVAL);
    EXPECT(fb_breaker_settle_at(NULL, &permit, FB_SUCCESS, 1) == FB_EINVAL);
    EXPECT(fb_breaker_settle_at(breaker, NULL, FB_SUCCESS, 1) == FB_EINVAL);
    EXPECT(fb_breaker_cancel(NULL, &permit) == FB_EINVAL);
    EXPECT(fb_breaker_cancel(breaker, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_check(NULL, &number) == FB_EINVAL && number == 7);
    EXPECT(fb_breaker_check_at(NULL, 1, &number) == FB_EINVAL && number == 7);
    EXPECT(fb_breaker_state(NULL) == FB_STATE_INVALID);
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot(NULL, &snapshot) == FB_EINVAL);
    EXPECT(fb_breaker_snapshot(breaker, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_snapshot_at(NULL, 1, &snapshot) == FB_EINVAL);
    EXPECT(fb_breaker_snapshot_at(breaker, 1, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_force_open(NULL) == FB_EINVAL);
    EXPECT(fb_breaker_force_open_at(NULL, 1) == FB_EINVAL);
    EXPECT(fb_breaker_disable(NULL) == FB_EINVAL);
    EXPECT(fb_breaker_disable_at(NULL, 1) == FB_EINVAL);
    EXPECT(fb_breaker_metrics_only(NULL) == FB_EINVAL);
    EXPECT(fb_breaker_metrics_only_at(NULL, 1) == FB_EINVAL);
    EXPECT(fb_breaker_reset(NULL) == FB_EINVAL);
    EXPECT(fb_breaker_reset_at(NULL, 1) == FB_EINVAL);
    EXPECT(fb_breaker_configure(NULL, &config, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_configure(breaker, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_on_transition(NULL, ignore_transition, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_on_transition(breaker, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_on_transition(breaker, ignore_transition, NULL) == FB_OK);
    EXPECT(fb_breaker_on_transition(breaker, ignore_transition, NULL) == FB_EBUSY);

    EXPECT(fb_token_bucket_new(1, SECOND, 1, NULL, NULL) == FB_EINVAL);
    fb_token_bucket_free(NULL);
    EXPECT(fb_token_bucket_try_acquire(NULL, 1, NULL) == FB_EINVAL);
    EXPECT(fb_token_bucket_try_acquire_at(NULL, 1, 1, NULL) == FB_EINVAL);
    EXPECT(fb_token_bucket_refund(NULL, 1) == FB_EINVAL);
    EXPECT(fb_token_bucket_refund_at(NULL, 1, 1) == FB_EINVAL);
    EXPECT(fb_token_bucket_available(NULL, &number) == FB_EINVAL && number == 7);
    EXPECT(fb_token_bucket_available_at(NULL, 1, &number) == FB_EINVAL && number == 7);
    EXPECT(fb_token_bucket_configure(NULL, 1, SECOND, 1, NULL) == FB_EINVAL);
    EXPECT(fb_token_bucket_reset(NULL) == FB_EINVAL);

    EXPECT(fb_sliding_log_new(1, SECOND, NULL, NULL) == FB_EINVAL);
    fb_sliding_log_free(NULL);
    EXPECT(fb_sliding_log_try_acquire(NULL, 1, NULL) == FB_EINVAL);
    EXPECT(fb_sliding_log_try_acquire_at(NULL, 1, 1, NULL) == FB_EINVAL);
    EXPECT(fb_sliding_log_available(NULL, &small) == FB_EINVAL && small == 7);
    EXPECT(fb_sliding_log_available_at(NULL, 1, &small) == FB_EINVAL && small == 7);

    EXPECT(fb_concurrency_new(1, NULL, NULL) == FB_EINVAL);
    fb_concurrency_free(NULL);
    EXPECT(fb_concurrency_try_acquire(NULL) == FB_EINVAL);
    EXPECT(fb_concurrency_release(NULL) == FB_EINVAL);
    EXPECT(fb_concurrency_in_flight(NULL, &small) == FB_EINVAL && small == 7);
    EXPECT(fb_concurrency_limit(NULL, &small) == FB_EINVAL && small == 7);
    EXPECT(fb_concurrency_set_limit(NULL, 1, NULL) == FB_EINVAL);

    /* The library's own answer for a required output, with a live handle. */
    {
        fb_token_bucket *bucket = NULL;
        fb_sliding_log *log = NULL;
        fb_concurrency *calls = NULL;
        EXPECT(fb_token_bucket_new(1, SECOND, 1, &bucket, NULL) == FB_OK);
        EXPECT(fb_sliding_log_new(1, SECOND, &log, NULL) == FB_OK);
        EXPECT(fb_concurrency_new(1, &calls, NULL) == FB_OK);
        EXPECT(fb_token_bucket_available(bucket, NULL) == FB_EINVAL);
        EXPECT(fb_token_bucket_available_at(bucket, 1, NULL) == FB_EINVAL);
        EXPECT(fb_sliding_log_available(log, NULL) == FB_EINVAL);
        EXPECT(fb_sliding_log_available_at(log, 1, NULL) == FB_EINVAL);
        EXPECT(fb_concurrency_in_flight(calls, NULL) == FB_EINVAL);
        EXPECT(fb_concurrency_limit(calls, NULL) == FB_EINVAL);
        fb_token_bucket_free(bucket);
        fb_sliding_log_free(log);
        fb_concurrency_free(calls);
    }
    fb_breaker_free(breaker);
}

static void alignment(void)
{
    fb_breaker *breaker = one_breaker();
    union {
        uint64_t aligned[8];
        char bytes[64];
    } memory;
    memset(&memory, 0, sizeof memory);
    EXPECT(fb_breaker_try_acquire_at(breaker, 1, (fb_permit *)(void *)(memory.bytes + 1), NULL)
           == FB_EINVAL);
    EXPECT(memory.aligned[0] == 0 && memory.aligned[1] == 0 && memory.aligned[2] == 0);
    fb_breaker_free(breaker);
}

static void sizes(void)
{
    fb_breaker *breaker = one_breaker();
    fb_breaker *out = breaker;
    fb_breaker_config config;
    fb_snapshot snapshot;

    memset(&config, 0x5A, sizeof config);
    EXPECT(fb_breaker_config_init(&config, sizeof config - 8) == FB_ESIZE);
    EXPECT(config.minimum_requests == UINT64_C(0x5A5A5A5A5A5A5A5A));
    EXPECT(fb_breaker_new(&config, &out, NULL) == FB_ESIZE && out == NULL);
    memset(&config, 0, sizeof config);
    EXPECT(fb_breaker_new(&config, &out, NULL) == FB_ESIZE);
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(config.struct_size == sizeof config);
    config.struct_size++;
    EXPECT(fb_breaker_configure(breaker, &config, NULL) == FB_ESIZE);
    memset(&snapshot, 0, sizeof snapshot);
    EXPECT(fb_breaker_snapshot(breaker, &snapshot) == FB_ESIZE);
    EXPECT(fb_breaker_snapshot_at(breaker, 1, &snapshot) == FB_ESIZE);
    fb_breaker_free(breaker);
}

/* Sets one member wrong and expects the setting's name in both texts. */
#define REFUSED(member, value, name)                                        \
    do {                                                                    \
        EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);    \
        config.member = (value);                                            \
        memset(&error, 0x5A, sizeof error);                                 \
        out = (fb_breaker *)(void *)&config;                                \
        EXPECT(fb_breaker_new(&config, &out, &error) == FB_ECONFIG);        \
        EXPECT(out == NULL);                                                \
        EXPECT(strcmp(error.field, (name)) == 0);                           \
        EXPECT(strncmp(error.message, (name), strlen(name)) == 0);          \
        EXPECT(strstr(error.message, "allowed") != NULL);                   \
        EXPECT(fb_breaker_new(&config, &out, NULL) == FB_ECONFIG);          \
        EXPECT(fb_breaker_configure(breaker, &config, &error) == FB_ECONFIG); \
        EXPECT(strcmp(error.field, (name)) == 0);                           \
    } while (0)

static void settings(void)
{
    fb_breaker *breaker = one_breaker();
    fb_breaker *out = NULL;
    fb_breaker_config config;
    fb_error error;
    fb_token_bucket *bucket = NULL;
    fb_sliding_log *log = NULL;
    fb_concurrency *calls = NULL;

    REFUSED(failure_threshold_ppm, 0, "failure_threshold");
    REFUSED(failure_threshold_ppm, 1000001, "failure_threshold");
    EXPECT(strstr(error.message, "1.000001") != NULL);
    REFUSED(slow_call_threshold_ppm, 1000001, "slow_call_threshold");
    REFUSED(count_overdue, 2, "count_overdue");
    REFUSED(count_overdue, 1, "count_overdue");
    REFUSED(record_latency, 2, "record_latency");
    REFUSED(minimum_requests, 0, "minimum_requests");
    REFUSED(open_timeout_ns, 0, "open_timeout");
    REFUSED(open_timeout_max_ns, 0, "open_timeout_max");
    REFUSED(window_ns, 0, "window");
    REFUSED(window_slots, 0, "window");
    REFUSED(window_slots, 11, "window");
    REFUSED(window_kind, 17, "window_kind");
    REFUSED(window_kind, -1, "window_kind");
    REFUSED(half_open_requests, 0, "half_open_requests");
    REFUSED(half_open_successes, 512, "half_open_successes");
    REFUSED(half_open_failures, 511, "half_open_failures");
    REFUSED(open_backoff_ppm, 999999, "open_backoff");
    REFUSED(open_jitter_ppm, 1000001, "open_jitter");

    /* The window's kind and size are fixed once the breaker is made. */
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.window_kind = FB_WINDOW_COUNT;
    EXPECT(fb_breaker_configure(breaker, &config, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "window") == 0);

    EXPECT(fb_token_bucket_new(0, SECOND, 1, &bucket, &error) == FB_ECONFIG);
    EXPECT(bucket == NULL && strcmp(error.field, "rate") == 0);
    EXPECT(fb_token_bucket_new(1, 0, 1, &bucket, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "rate") == 0);
    EXPECT(fb_token_bucket_new(1, SECOND, 0, &bucket, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "burst") == 0);
    EXPECT(fb_token_bucket_new(1, SECOND, 1, &bucket, &error) == FB_OK);
    EXPECT(error.field[0] == '\0' && error.message[0] == '\0');
    EXPECT(fb_token_bucket_configure(bucket, 1, SECOND, 0, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "burst") == 0);
    EXPECT(fb_sliding_log_new(0, SECOND, &log, &error) == FB_ECONFIG);
    EXPECT(log == NULL && strcmp(error.field, "limit") == 0);
    EXPECT(fb_sliding_log_new(FB_SLIDING_LOG_MAX + 1, SECOND, &log, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "limit") == 0 && strstr(error.message, "4097") != NULL);
    EXPECT(fb_sliding_log_new(1, 0, &log, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "window") == 0);
    EXPECT(fb_concurrency_new(0, &calls, &error) == FB_ECONFIG);
    EXPECT(calls == NULL && strcmp(error.field, "limit") == 0);
    EXPECT(fb_concurrency_new(1, &calls, NULL) == FB_OK);
    EXPECT(fb_concurrency_set_limit(calls, 0, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "limit") == 0);

    fb_token_bucket_free(bucket);
    fb_concurrency_free(calls);
    fb_breaker_free(breaker);
}

static void permits(void)
{
    fb_breaker *breaker = one_breaker();
    fb_snapshot snapshot;
    fb_permit permit, zeroed, garbage;
    unsigned byte;

    EXPECT(fb_breaker_try_acquire_at(breaker, 5, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, 3, 5) == FB_EINVAL);
    EXPECT(fb_breaker_settle_at(breaker, &permit, -1, 5) == FB_EINVAL);
    /* A refused outcome does not use the permit up. */
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_SUCCESS, 5) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, 5) == FB_STALE);
    EXPECT(fb_breaker_settle(breaker, &permit, FB_FAILURE) == FB_STALE);
    EXPECT(fb_breaker_cancel(breaker, &permit) == FB_STALE);

    memset(&zeroed, 0, sizeof zeroed);
    EXPECT(fb_breaker_settle_at(breaker, &zeroed, FB_FAILURE, 5) == FB_STALE);
    for (byte = 1; byte < 256; byte++) {
        memset(&garbage, (int)byte, sizeof garbage);
        EXPECT(fb_breaker_settle_at(breaker, &garbage, FB_FAILURE, 5) == FB_STALE);
        memset(&garbage, (int)byte, sizeof garbage);
        EXPECT(fb_breaker_cancel(breaker, &garbage) == FB_STALE);
    }
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, 5, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_CLOSED);
    EXPECT(snapshot.window_calls == 1 && snapshot.window_failures == 0);

    /* A rejection leaves no old permit behind. */
    EXPECT(fb_breaker_force_open_at(breaker, 6) == FB_OK);
    memset(&permit, 0x5A, sizeof permit);
    EXPECT(fb_breaker_try_acquire_at(breaker, 7, &permit, NULL) == FB_FORCED_OPEN);
    EXPECT(memcmp(&permit, &zeroed, sizeof permit) == 0);
    memset(&permit, 0x5A, sizeof permit);
    EXPECT(fb_breaker_try_acquire_at(NULL, 7, &permit, NULL) == FB_EINVAL);
    EXPECT(memcmp(&permit, &zeroed, sizeof permit) == 0);
    fb_breaker_free(breaker);
}

static void strings(void)
{
    int number;
    for (number = -100; number < 100; number++) {
        EXPECT(fb_status_string(number) != NULL && fb_status_string(number)[0] != '\0');
        EXPECT(fb_state_string(number) != NULL && fb_state_string(number)[0] != '\0');
    }
    EXPECT(strcmp(fb_status_string(99), "unknown status") == 0);
    EXPECT(strcmp(fb_state_string(99), "invalid") == 0);
}

/* Time may be anything and may jump anywhere. */
static void times(void)
{
    static const uint64_t moments[] = {0, UINT64_MAX, 1, UINT64_MAX - 1, UINT64_MAX / 2, 0};
    fb_breaker *breaker = one_breaker();
    fb_token_bucket *bucket = NULL;
    fb_sliding_log *log = NULL;
    fb_permit permit;
    size_t i;

    EXPECT(fb_token_bucket_new(1, SECOND, 1, &bucket, NULL) == FB_OK);
    EXPECT(fb_sliding_log_new(1, SECOND, &log, NULL) == FB_OK);
    for (i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        if (fb_breaker_try_acquire_at(breaker, moments[i], &permit, NULL) == FB_OK) {
            EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, moments[i]) >= 0);
        }
        EXPECT(fb_token_bucket_try_acquire_at(bucket, 1, moments[i], NULL) >= 0);
        EXPECT(fb_token_bucket_try_acquire_at(bucket, UINT64_MAX, moments[i], NULL) == FB_NEVER);
        EXPECT(fb_sliding_log_try_acquire_at(log, 1, moments[i], NULL) >= 0);
        EXPECT(fb_sliding_log_try_acquire_at(log, UINT32_MAX, moments[i], NULL) == FB_NEVER);
    }
    fb_breaker_free(breaker);
    fb_token_bucket_free(bucket);
    fb_sliding_log_free(log);
}

int main(void)
{
    null();
    alignment();
    sizes();
    settings();
    permits();
    strings();
    times();
    puts("misuse: ok");
    return 0;
}
