/* What can be read back: settings, limits, latencies, permits, names; and a policy on trial. */
#include "expect.h"
#include "fuseboard.h"

#include <string.h>

static fb_breaker *breaker_of(const char *text)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    EXPECT(fb_breaker_config_parse(&config, sizeof config, text, NULL) == FB_OK);
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    return breaker;
}

/* One call from `from_ns` to `to_ns`. */
static void call(const fb_breaker *breaker, uint64_t from_ns, uint64_t to_ns, int32_t outcome)
{
    fb_permit permit;
    EXPECT(fb_breaker_try_acquire_at(breaker, from_ns, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, outcome, to_ns) == FB_OK);
}

/* Whatever text makes a breaker, its settings read back make the same. */
static void settings(void)
{
    static const char *const texts[] = {
        "", "window=count(77) minimum_requests=7", "window=consecutive(3)", "window=decay(10s)",
        "failure_threshold=0.123456 slow_call_duration=250ms slow_call_threshold=0.9 count_overdue=true "
        "half_open_requests=9 half_open_successes=4 half_open_failures=2 probe_lease=7s open_backoff=2.5 "
        "open_timeout=4s open_timeout_max=9m open_jitter=0.25 jitter_seed=12345 ramp_up=8s window=time(6s,6)",
        "record_latency=true"};
    size_t i;
    for (i = 0; i < sizeof texts / sizeof *texts; i++) {
        fb_breaker *breaker = breaker_of(texts[i]);
        fb_breaker *again = NULL;
        fb_breaker_config first, second;
        fb_error error;
        EXPECT(fb_breaker_read_config(breaker, &first, sizeof first) == FB_OK);
        EXPECT(fb_breaker_config_validate(&first, &error) == FB_OK && error.message[0] == 0);
        EXPECT(fb_breaker_new(&first, &again, &error) == FB_OK);
        EXPECT(fb_breaker_read_config(again, &second, sizeof second) == FB_OK);
        EXPECT(memcmp(&first, &second, sizeof first) == 0);
        EXPECT(fb_breaker_read_config(again, &second, sizeof second - 8) == FB_ESIZE);
        EXPECT(fb_breaker_configure(again, &first, &error) == FB_OK);
        fb_breaker_free(breaker);
        fb_breaker_free(again);
    }
}

static void validated(void)
{
    fb_breaker_config config;
    fb_adaptive_config adaptive;
    fb_error error;
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.half_open_requests = 512;
    EXPECT(fb_breaker_config_validate(&config, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "half_open_requests") == 0);
    EXPECT(fb_breaker_config_validate(&config, NULL) == FB_ECONFIG);
    config.struct_size = 0;
    EXPECT(fb_breaker_config_validate(&config, &error) == FB_ESIZE);
    EXPECT(fb_adaptive_config_init(&adaptive, sizeof adaptive) == FB_OK);
    EXPECT(fb_adaptive_config_validate(&adaptive, &error) == FB_OK);
    adaptive.reserved = 1;
    EXPECT(fb_adaptive_config_validate(&adaptive, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "reserved") == 0);
    adaptive.reserved = 0;
    adaptive.min_limit = 0;
    EXPECT(fb_adaptive_config_validate(&adaptive, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "min_limit") == 0);
}

static void limits(void)
{
    fb_fixed_window *fixed = NULL;
    fb_sliding_counter *counter = NULL;
    fb_token_bucket *bucket = NULL;
    fb_token_lease *lease = NULL;
    fb_throttle *throttle = NULL;
    fb_adaptive_config config;
    fb_adaptive *adaptive = NULL;
    fb_adaptive_permit place;
    fb_keyed *keyed = NULL;
    uint64_t limit = 0, units = 0, per_ns = 0, burst = 0, left = 7, baseline = 7;
    uint32_t narrow = 0, share = 7;
    size_t capacity = 0;
    int i;

    EXPECT(fb_fixed_window_new(5, SECOND, &fixed, NULL) == FB_OK);
    EXPECT(fb_fixed_window_set_limit(fixed, 9, NULL) == FB_OK);
    EXPECT(fb_fixed_window_limit(fixed, &limit) == FB_OK && limit == 9);
    EXPECT(fb_sliding_counter_new(5, SECOND, &counter, NULL) == FB_OK);
    EXPECT(fb_sliding_counter_limit(counter, &narrow) == FB_OK && narrow == 5);

    EXPECT(fb_token_bucket_new(100, SECOND, 20, &bucket, NULL) == FB_OK);
    EXPECT(fb_token_bucket_rate(bucket, &units, &per_ns, &burst) == FB_OK);
    EXPECT(units * SECOND == 100 * per_ns && burst == 20);
    EXPECT(fb_token_bucket_rate(bucket, NULL, NULL, NULL) == FB_OK);
    EXPECT(fb_token_lease_new(bucket, 8, SECOND, &lease, NULL) == FB_OK);
    EXPECT(fb_token_lease_left(lease, &left) == FB_OK && left == 0);
    EXPECT(fb_token_lease_try_acquire_at(lease, 1, SECOND, NULL) == FB_OK);
    EXPECT(fb_token_lease_left(lease, &left) == FB_OK && left == 7);

    EXPECT(fb_throttle_new(2000000, 120 * SECOND, 1, 7, &throttle, NULL) == FB_OK);
    EXPECT(fb_throttle_rejection_share_at(throttle, SECOND, &share) == FB_OK && share == 0);
    for (i = 0; i < 9; i++) {
        if (fb_throttle_try_acquire_at(throttle, SECOND) == FB_OK)
            EXPECT(fb_throttle_refused_at(throttle, SECOND) == FB_OK);
    }
    EXPECT(fb_throttle_rejection_share_at(throttle, SECOND, &share) == FB_OK);
    EXPECT(share > 500000 && share <= 1000000);
    EXPECT(fb_throttle_rejection_share(throttle, &share) == FB_OK && share <= 1000000);

    EXPECT(fb_adaptive_config_init(&config, sizeof config) == FB_OK);
    config.min_samples = 1;
    EXPECT(fb_adaptive_new(&config, &adaptive, NULL) == FB_OK);
    EXPECT(fb_adaptive_baseline(adaptive, &baseline) == FB_STALE && baseline == 0);
    for (i = 1; i <= 20; i++) {
        const uint64_t now = (uint64_t)i * SECOND;
        EXPECT(fb_adaptive_try_acquire_at(adaptive, now, &place) == FB_OK);
        EXPECT(fb_adaptive_settle_at(adaptive, &place, FB_SUCCESS, now + SECOND / 100) == FB_OK);
    }
    EXPECT(fb_adaptive_baseline(adaptive, &baseline) == FB_OK && baseline > 0);

    EXPECT(fb_keyed_new(1, SECOND, 1, 100, FB_WHEN_FULL_REJECT, &keyed, NULL) == FB_OK);
    EXPECT(fb_keyed_capacity(keyed, &capacity) == FB_OK && capacity == 100);

    fb_keyed_free(keyed);
    fb_adaptive_free(adaptive);
    fb_throttle_free(throttle);
    fb_token_lease_free(lease);
    fb_token_bucket_free(bucket);
    fb_sliding_counter_free(counter);
    fb_fixed_window_free(fixed);
}

static void permits(void)
{
    fb_breaker *breaker = breaker_of("window=consecutive(1) open_timeout=1s");
    fb_permit permit;
    int32_t is_probe = 7;
    uint64_t started = 0;

    EXPECT(fb_breaker_try_acquire_at(breaker, 5, &permit, NULL) == FB_OK);
    EXPECT(fb_permit_read(&permit, &is_probe, &started) == FB_OK && is_probe == 0 && started == 5);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, 6) == FB_OK);
    EXPECT(fb_permit_read(&permit, &is_probe, NULL) == FB_STALE);
    EXPECT(fb_breaker_try_acquire_at(breaker, 2 * SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_permit_read(&permit, &is_probe, NULL) == FB_OK && is_probe == 1);
    EXPECT(fb_permit_read(&permit, NULL, NULL) == FB_OK);
    EXPECT(strcmp(fb_cause_string(FB_CAUSE_PROBE_FAILED), "probe_failed") == 0);
    EXPECT(strcmp(fb_cause_string(99), "unknown cause") == 0);
    fb_breaker_free(breaker);
}

static void latencies(void)
{
    static unsigned char memory[FB_BREAKER_SIZE];
    static fb_latency_counts before, after, between, none;
    fb_breaker *breaker = breaker_of("record_latency=true");
    fb_breaker *plain = breaker_of("");
    fb_latency_histogram *histogram = NULL;
    fb_admission admission = {sizeof admission, NULL, NULL, NULL, NULL};
    fb_breaker_config config;
    fb_permit permit;
    fb_error error;
    uint64_t calls = 0, sum = 0, latency = 7, above = 0, up_to = 0;
    size_t i;
    uint64_t counted = 0;

    before.struct_size = after.struct_size = between.struct_size = sizeof before;
    EXPECT(fb_breaker_latency(plain, &before) == FB_STALE);
    EXPECT(fb_breaker_latency(plain, &none) == FB_ESIZE);
    EXPECT(fb_breaker_latency(breaker, &before) == FB_OK && before.short_calls == 0);
    EXPECT(fb_latency_counts_quantile(&before, 500000, &latency) == FB_STALE && latency == 0);
    call(breaker, SECOND, SECOND + 500, FB_SUCCESS);
    call(breaker, SECOND, SECOND + 5000000, FB_FAILURE);
    call(breaker, SECOND, SECOND + 5000000, FB_IGNORED);
    EXPECT(fb_breaker_latency(breaker, &before) == FB_OK && before.short_calls == 1);
    admission.breaker = breaker;
    EXPECT(fb_admission_try_acquire_at(&admission, 1, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_admission_settle_at(&admission, &permit, FB_SUCCESS, SECOND + 7000000) == FB_OK);
    EXPECT(fb_breaker_latency(breaker, &after) == FB_OK);
    EXPECT(fb_latency_counts_totals(&after, &calls, &sum) == FB_OK && calls == 3 && sum > 11000000);
    EXPECT(fb_latency_counts_since(&after, &before, &between) == FB_OK);
    EXPECT(fb_latency_counts_totals(&between, &calls, NULL) == FB_OK && calls == 1);
    EXPECT(fb_latency_counts_quantile(&between, 500000, &latency) == FB_OK);
    EXPECT(latency >= 7000000 && latency <= 7700000);
    EXPECT(fb_latency_counts_quantile(&between, 1000001, &latency) == FB_EINVAL);
    EXPECT(fb_latency_counts_since(&after, &after, &after) == FB_OK);
    EXPECT(fb_latency_counts_totals(&after, &calls, NULL) == FB_OK && calls == 0);
    EXPECT(fb_latency_counts_totals(&none, &calls, NULL) == FB_ESIZE);

    for (i = 0; i < FB_LATENCY_BUCKETS; i++) {
        EXPECT(fb_latency_bucket_bounds(i, &above, &up_to) == FB_OK && above < up_to);
        if (between.buckets[i] > 0) {
            EXPECT(above < 7000000 && 7000000 <= up_to);
            counted += between.buckets[i];
        }
    }
    EXPECT(counted == 1);
    EXPECT(fb_latency_bucket_bounds(FB_LATENCY_BUCKETS, &above, &up_to) == FB_EINVAL);
    EXPECT(fb_latency_bucket_bounds(0, NULL, &up_to) == FB_EINVAL);

    /* Where there is no place for a histogram, it is said. */
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.record_latency = 1;
    EXPECT(fb_breaker_configure(plain, &config, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "record_latency") == 0 && strstr(error.message, "beside") != NULL);
    fb_breaker_free(plain);
    EXPECT(fb_breaker_init(memory, sizeof memory, &config, &plain, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "record_latency") == 0 && plain == NULL);
    config.record_latency = 0;
    EXPECT(fb_breaker_configure(breaker, &config, &error) == FB_OK);
    EXPECT(fb_breaker_latency(breaker, &after) == FB_STALE);

    /* One beside a breaker. */
    plain = breaker_of("");
    EXPECT(fb_latency_histogram_new(&histogram, NULL) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(plain, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_latency_histogram_record_call_at(histogram, &permit, FB_SUCCESS, 2 * SECOND) == FB_OK);
    EXPECT(fb_latency_histogram_record_call(histogram, &permit, FB_IGNORED) == FB_OK);
    EXPECT(fb_latency_histogram_record_call(histogram, &permit, 9) == FB_EINVAL);
    EXPECT(fb_breaker_settle_at(plain, &permit, FB_SUCCESS, 2 * SECOND) == FB_OK);
    EXPECT(fb_latency_histogram_record_call(histogram, &permit, FB_SUCCESS) == FB_STALE);
    EXPECT(fb_latency_histogram_read(histogram, &none) == FB_ESIZE);
    EXPECT(fb_latency_histogram_read(histogram, &after) == FB_OK);
    EXPECT(fb_latency_counts_totals(&after, &calls, NULL) == FB_OK && calls == 1);
    fb_latency_histogram_free(histogram);
    fb_breaker_free(plain);
    fb_breaker_free(breaker);
}

static void on_trial(void)
{
    fb_breaker *breaker = breaker_of("window=consecutive(1)");
    fb_token_bucket *bucket = NULL;
    fb_shadow *shadow = NULL, *out = NULL;
    void *memory = malloc(fb_shadow_size());
    fb_permit permit;
    uint64_t count = 7;

    EXPECT(fb_shadow_new(&shadow, NULL) == FB_OK);
    EXPECT(fb_token_bucket_new(1, SECOND, 1, &bucket, NULL) == FB_OK);
    EXPECT(fb_shadow_admit(shadow, fb_token_bucket_try_acquire_at(bucket, 1, 0, NULL)) == FB_OK);
    EXPECT(fb_shadow_admit(shadow, fb_token_bucket_try_acquire_at(bucket, 1, 0, NULL)) == FB_OK);
    EXPECT(fb_shadow_admit(shadow, fb_token_bucket_try_acquire_at(bucket, 5, 0, NULL)) == FB_OK);
    EXPECT(fb_shadow_would_reject(shadow, FB_LIMITED, &count) == FB_OK && count == 1);
    EXPECT(fb_shadow_would_reject(shadow, FB_NEVER, &count) == FB_OK && count == 1);
    EXPECT(fb_shadow_would_reject(shadow, FB_OPEN, &count) == FB_OK && count == 0);

    call(breaker, SECOND, SECOND, FB_FAILURE);
    EXPECT(fb_shadow_admit(shadow, fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL)) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_SUCCESS, SECOND) == FB_STALE);
    EXPECT(fb_shadow_would_reject(shadow, FB_OPEN, &count) == FB_OK && count == 1);

    /* A mistake stays one, and is not counted. */
    EXPECT(fb_shadow_admit(shadow, fb_breaker_try_acquire(NULL, &permit, NULL)) == FB_EINVAL);
    EXPECT(fb_shadow_admit(shadow, FB_ENOMEM) == FB_ENOMEM);
    EXPECT(fb_shadow_admit(shadow, FB_STALE) == FB_EINVAL);
    EXPECT(fb_shadow_admit(shadow, 12345) == FB_EINVAL);
    EXPECT(fb_shadow_admit(shadow, INT32_MIN) == FB_EINVAL);
    EXPECT(fb_shadow_admit(NULL, FB_OK) == FB_EINVAL);
    count = 7;
    EXPECT(fb_shadow_would_reject(shadow, FB_OK, &count) == FB_EINVAL && count == 0);
    EXPECT(fb_shadow_would_reject(shadow, FB_STALE, &count) == FB_EINVAL);
    EXPECT(fb_shadow_would_reject(shadow, FB_EINVAL, &count) == FB_EINVAL);

    EXPECT(memory != NULL);
    EXPECT(fb_shadow_init(memory, 8, &out, NULL) == FB_ESIZE && out == NULL);
    EXPECT(fb_shadow_init(memory, fb_shadow_size(), &out, NULL) == FB_OK);
    EXPECT(fb_shadow_admit(out, FB_FULL) == FB_OK);
    EXPECT(fb_shadow_would_reject(out, FB_FULL, &count) == FB_OK && count == 1);
    free(memory);
    fb_shadow_free(shadow);
    fb_shadow_free(NULL);
    fb_token_bucket_free(bucket);
    fb_breaker_free(breaker);
}

int main(void)
{
    settings();
    validated();
    limits();
    permits();
    latencies();
    on_trial();
    puts("readings: ok");
    return 0;
}
