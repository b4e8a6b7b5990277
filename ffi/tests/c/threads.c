/* Four threads on one breaker and one of each limiter: when all are quiet the totals are exact; and
 * when an open breaker's time is over, one of the four gets the only probe place. */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"
#include "fuseboard.h"

#include <pthread.h>
#include <stdatomic.h>

#ifdef QUICK /* for valgrind, which takes fifty times as long */
enum { THREADS = 4, CALLS = 1000, PLACES = 2, BURST = 1000, ROUNDS = 20 };
#else
enum { THREADS = 4, CALLS = 50000, PLACES = 2, BURST = 1000, ROUNDS = 1000 };
#endif

static fb_breaker *breaker;
static fb_token_bucket *bucket;
static fb_sliding_log *entries;
static fb_concurrency *calls;
static atomic_uint transitions, in_flight, bucket_admitted, log_admitted;

static void count_transition(void *user, const fb_transition *transition)
{
    (void)transition;
    atomic_fetch_add((atomic_uint *)user, 1);
}

static void *hammer(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < CALLS; i++) {
        fb_permit permit;
        /* Within one slot of the window, so that nothing ages. */
        uint64_t now = SECOND + (uint64_t)i;
        EXPECT(fb_breaker_try_acquire_at(breaker, now, &permit, NULL) == FB_OK);
        /* One failure in four, one ignored in eight. */
        EXPECT(fb_breaker_settle_at(breaker, &permit,
                                    i % 4 == 0   ? FB_FAILURE
                                    : i % 8 == 1 ? FB_IGNORED
                                                 : FB_SUCCESS,
                                    now)
               == FB_OK);
        if (fb_token_bucket_try_acquire_at(bucket, 1, SECOND, NULL) == FB_OK) {
            atomic_fetch_add(&bucket_admitted, 1);
        }
        if (fb_sliding_log_try_acquire_at(entries, 1, SECOND, NULL) == FB_OK) {
            atomic_fetch_add(&log_admitted, 1);
        }
        if (fb_concurrency_try_acquire(calls) == FB_OK) {
            EXPECT(atomic_fetch_add(&in_flight, 1) < PLACES);
            atomic_fetch_sub(&in_flight, 1);
            EXPECT(fb_concurrency_release(calls) == FB_OK);
        }
    }
    return NULL;
}

static fb_breaker *guarded;
static pthread_barrier_t together;
static atomic_uint probes;

static void *herd(void *unused)
{
    int round;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        fb_permit permit;
        fb_status status;
        uint64_t now = (uint64_t)round * SECOND;
        pthread_barrier_wait(&together);
        status = fb_breaker_try_acquire_at(guarded, now, &permit, NULL);
        EXPECT(status == FB_OK || status == FB_HALF_OPEN_FULL);
        if (status == FB_OK) {
            atomic_fetch_add(&probes, 1);
        }
        pthread_barrier_wait(&together);
        EXPECT(atomic_load(&probes) == (unsigned)round);
        if (status == FB_OK) {
            /* Opens again, until the next round. */
            EXPECT(fb_breaker_settle_at(guarded, &permit, FB_FAILURE, now) == FB_OK);
        }
    }
    return NULL;
}

static void one_probe_for_a_herd(void)
{
    pthread_t threads[THREADS];
    fb_breaker_config config;
    fb_permit permit;
    int i;

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.minimum_requests = 1;
    config.open_timeout_ns = SECOND;
    config.half_open_requests = 1;
    EXPECT(fb_breaker_new(&config, &guarded, NULL) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(guarded, 0, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(guarded, &permit, FB_FAILURE, 0) == FB_OK);
    EXPECT(fb_breaker_state(guarded) == FB_STATE_OPEN);
    EXPECT(pthread_barrier_init(&together, NULL, THREADS) == 0);
    for (i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, herd, NULL) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0);
    }
    EXPECT(pthread_barrier_destroy(&together) == 0);
    fb_breaker_free(guarded);
}

int main(void)
{
    pthread_t threads[THREADS];
    fb_breaker_config config;
    fb_snapshot snapshot;
    uint32_t number = 9;
    int i;

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    config.failure_threshold_ppm = 900000;
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    EXPECT(fb_breaker_on_transition(breaker, count_transition, &transitions) == FB_OK);
    EXPECT(fb_token_bucket_new(1, 3600 * SECOND, BURST, &bucket, NULL) == FB_OK);
    EXPECT(fb_sliding_log_new(BURST, 3600 * SECOND, &entries, NULL) == FB_OK);
    EXPECT(fb_concurrency_new(PLACES, &calls, NULL) == FB_OK);

    for (i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, hammer, NULL) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0);
    }

    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, SECOND + CALLS, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_CLOSED && atomic_load(&transitions) == 0);
    EXPECT(snapshot.calls == (uint64_t)THREADS * CALLS / 8 * 7);
    EXPECT(snapshot.failures == (uint64_t)THREADS * CALLS / 4);
    EXPECT(snapshot.ignored == (uint64_t)THREADS * CALLS / 8);
    EXPECT(snapshot.rejected == 0);
    EXPECT(atomic_load(&bucket_admitted) == BURST);
    EXPECT(atomic_load(&log_admitted) == BURST);
    EXPECT(fb_concurrency_in_flight(calls, &number) == FB_OK && number == 0);

    EXPECT(fb_breaker_force_open_at(breaker, 2 * SECOND) == FB_OK);
    EXPECT(atomic_load(&transitions) == 1);
    fb_breaker_free(breaker);
    fb_token_bucket_free(bucket);
    fb_sliding_log_free(entries);
    fb_concurrency_free(calls);

    one_probe_for_a_herd();
    puts("threads: ok");
    return 0;
}
