/* A breaker's counters for single threads: judged together, counted exactly, and its latencies. */
#define _POSIX_C_SOURCE 200809L
#include "expect.h"
#include "fuseboard.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef QUICK
#define CALLS 2000
#else
#define CALLS 200000
#endif
#define THREADS 4

static fb_breaker *with_handles(const char *text)
{
    fb_breaker_config config;
    fb_breaker *breaker = NULL;
    fb_error error;
    EXPECT(fb_breaker_config_parse(&config, sizeof config, text, &error) == FB_OK);
    EXPECT(fb_breaker_new_with_handles(&config, &breaker, &error) == FB_OK);
    return breaker;
}

static fb_handle *handle_of(const fb_breaker *breaker)
{
    fb_handle *handle = NULL;
    EXPECT(fb_handle_new(breaker, &handle) == FB_OK && handle != NULL);
    return handle;
}

static void places(void)
{
    fb_breaker *breaker = with_handles("");
    fb_breaker *plain = NULL;
    fb_breaker_config config;
    fb_handle *handles[FB_HANDLES], *one_more = NULL;
    fb_error error;
    int i;

    for (i = 0; i < FB_HANDLES; i++) handles[i] = handle_of(breaker);
    one_more = handles[0];
    EXPECT(fb_handle_new(breaker, &one_more) == FB_FULL && one_more == NULL);
    fb_handle_free(handles[7]);
    handles[7] = handle_of(breaker);
    for (i = 0; i < FB_HANDLES; i++) fb_handle_free(handles[i]);
    fb_handle_free(NULL);

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(fb_breaker_new(&config, &plain, NULL) == FB_OK);
    EXPECT(fb_handle_new(plain, &one_more) == FB_EINVAL && one_more == NULL);
    EXPECT(fb_handle_new(plain, NULL) == FB_EINVAL);
    config.failure_threshold_ppm = 0;
    one_more = NULL;
    fb_breaker_free(plain);
    EXPECT(fb_breaker_new_with_handles(&config, &plain, &error) == FB_ECONFIG && plain == NULL);
    EXPECT(strcmp(error.field, "failure_threshold") == 0);
    fb_breaker_free(breaker);
}

static int told;

static void count_changes(void *user, const fb_transition *change)
{
    *(int *)user += change->to == FB_STATE_OPEN;
}

/* What one handle counts and what another counts is one window. */
static void judged_together(void)
{
    fb_breaker *breaker = with_handles("minimum_requests=4 open_timeout=5s");
    fb_handle *one = handle_of(breaker), *other = handle_of(breaker);
    fb_permit permit, probe;
    fb_snapshot snapshot;
    fb_transition change;
    uint64_t wait;
    uint32_t seen = 0;
    size_t count;

    EXPECT(fb_breaker_on_transition(breaker, count_changes, &told) == FB_OK);
    EXPECT(fb_handle_try_acquire_at(one, SECOND, &permit, &wait) == FB_OK && wait == 0);
    EXPECT(fb_handle_settle_at(one, &permit, 5, SECOND) == FB_EINVAL);
    EXPECT(fb_handle_settle_at(one, &permit, FB_SUCCESS, SECOND) == FB_OK);
    EXPECT(fb_handle_settle_at(one, &permit, FB_SUCCESS, SECOND) == FB_STALE);
    /* A permit is the breaker's, whoever asked for it. */
    EXPECT(fb_handle_try_acquire_at(one, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_SUCCESS, SECOND) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_handle_cancel(other, &permit) == FB_OK);
    EXPECT(fb_handle_cancel(other, &permit) == FB_STALE);
    EXPECT(fb_handle_try_acquire_at(other, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_handle_settle_weighted_at(other, &permit, FB_FAILURE, 2, SECOND) == FB_OK);

    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN && told == 1);
    EXPECT(fb_breaker_transitions(breaker, &seen, &change, 1, sizeof change, &count, NULL) == FB_OK);
    EXPECT(count == 1 && change.calls == 4 && change.failures == 2);
    memset(&permit, 0x5A, sizeof permit);
    EXPECT(fb_handle_try_acquire_at(one, 2 * SECOND, &permit, &wait) == FB_OPEN);
    EXPECT(wait == 4 * SECOND && permit.opaque_[0] == 0);
    EXPECT(fb_breaker_check_at(breaker, 2 * SECOND, &wait) == FB_OPEN && wait == 4 * SECOND);

    EXPECT(fb_handle_try_acquire_at(one, 6 * SECOND, &probe, NULL) == FB_OK);
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, 6 * SECOND, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_HALF_OPEN && snapshot.in_flight == 1);
    EXPECT(snapshot.calls == 4 && snapshot.rejected == 1 && snapshot.ignored == 1);
    /* A handle that is gone leaves what it counted, and its permits to the breaker. */
    fb_handle_free(one);
    EXPECT(fb_breaker_settle_at(breaker, &probe, FB_FAILURE, 6 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN && told == 2);
    EXPECT(fb_breaker_reset(breaker) == FB_OK);
    EXPECT(fb_handle_try_acquire(other, &permit, NULL) == FB_OK);
    EXPECT(fb_handle_settle(other, &permit, FB_SUCCESS) == FB_OK);
    EXPECT(fb_handle_try_acquire(other, &permit, NULL) == FB_OK);
    EXPECT(fb_handle_settle_weighted(other, &permit, FB_FAILURE, 1) == FB_OK);
    fb_handle_free(other);
    fb_breaker_free(breaker);
}

/* Everything else works on such a breaker as on any. */
static void as_any_other(void)
{
    unsigned char bytes[FB_BREAKER_SAVED_SIZE];
    fb_breaker *breaker = with_handles("window=consecutive(1) open_timeout=30s");
    fb_breaker *after = with_handles("window=consecutive(1)");
    fb_admission admission = {sizeof admission, NULL, NULL, NULL, NULL};
    fb_breaker_config config;
    fb_permit permit;
    fb_error error;
    size_t used;

    EXPECT(fb_breaker_read_config(breaker, &config, sizeof config) == FB_OK);
    EXPECT(config.window_kind == FB_WINDOW_CONSECUTIVE && config.window_calls == 1);
    config.open_timeout_ns = 60 * SECOND;
    EXPECT(fb_breaker_configure(breaker, &config, &error) == FB_OK);
    EXPECT(fb_breaker_read_config(breaker, &config, sizeof config) == FB_OK);
    EXPECT(config.open_timeout_ns == 60 * SECOND);
    EXPECT(fb_breaker_force_open_at(breaker, SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_FORCED_OPEN);
    EXPECT(fb_breaker_disable_at(breaker, SECOND) == FB_OK);
    EXPECT(fb_breaker_metrics_only_at(breaker, SECOND) == FB_OK);
    EXPECT(fb_breaker_force_open_until_at(breaker, 3 * SECOND, SECOND) == FB_OK);
    EXPECT(fb_breaker_save_at(breaker, SECOND, bytes, sizeof bytes, &used) == FB_OK);
    EXPECT(fb_breaker_restore_at(after, SECOND, 0, bytes, used) == FB_OK);
    EXPECT(fb_breaker_state(after) == FB_STATE_FORCED_OPEN);
    EXPECT(fb_breaker_reset_at(breaker, SECOND) == FB_OK);

    admission.breaker = breaker;
    EXPECT(fb_admission_try_acquire_at(&admission, 1, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_admission_settle_at(&admission, &permit, FB_FAILURE, SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    EXPECT(fb_admission_try_acquire_at(&admission, 1, SECOND, &permit, NULL) == FB_OPEN);
    EXPECT(fb_admission_try_acquire_at(&admission, 1, 61 * SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_admission_cancel(&admission, &permit) == FB_OK);
    fb_breaker_free(breaker);
    fb_breaker_free(after);
}

static void *calls(void *shared)
{
    const fb_breaker *breaker = shared;
    fb_handle *handle = handle_of(breaker);
    fb_permit permit;
    int call;
    for (call = 0; call < CALLS; call++) {
        EXPECT(fb_handle_try_acquire_at(handle, SECOND, &permit, NULL) == FB_OK);
        EXPECT(fb_handle_settle_at(handle, &permit, call % 10 == 0 ? FB_FAILURE : FB_SUCCESS,
                                   SECOND) == FB_OK);
    }
    fb_handle_free(handle);
    return NULL;
}

static void threads(void)
{
    fb_breaker *breaker = with_handles("");
    fb_snapshot snapshot;
    pthread_t started[THREADS];
    int i;
    for (i = 0; i < THREADS; i++) EXPECT(pthread_create(&started[i], NULL, calls, breaker) == 0);
    for (i = 0; i < THREADS; i++) EXPECT(pthread_join(started[i], NULL) == 0);
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, SECOND, &snapshot) == FB_OK);
    EXPECT(snapshot.calls == (uint64_t)THREADS * CALLS);
    EXPECT(snapshot.failures == (uint64_t)THREADS * CALLS / 10);
    EXPECT(snapshot.window_calls == snapshot.calls);
    fb_breaker_free(breaker);
}

/* A child has a copy of its own, handles included. */
static void after_a_fork(void)
{
    fb_breaker *breaker = with_handles("window=consecutive(1)");
    fb_handle *handle = handle_of(breaker);
    int status = -1;
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        fb_permit permit;
        int fine = fb_handle_try_acquire(handle, &permit, NULL) == FB_OK &&
                   fb_handle_settle(handle, &permit, FB_FAILURE) == FB_OK &&
                   fb_breaker_state(breaker) == FB_STATE_OPEN;
        _exit(fine ? 0 : 1);
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    fb_handle_free(handle);
    fb_breaker_free(breaker);
}

static void nothing_there(void)
{
    fb_permit permit = {{1, 1}};
    EXPECT(fb_handle_try_acquire_at(NULL, 1, &permit, NULL) == FB_EINVAL && permit.opaque_[0] == 0);
    EXPECT(fb_handle_settle(NULL, &permit, FB_SUCCESS) == FB_EINVAL);
    EXPECT(fb_handle_cancel(NULL, &permit) == FB_EINVAL);
}

int main(void)
{
    places();
    judged_together();
    as_any_other();
    threads();
    after_a_fork();
    nothing_there();
    puts("handles: ok");
    return 0;
}
