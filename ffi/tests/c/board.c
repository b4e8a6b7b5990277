/* Boards: refusals, one breaker for a process and its children, a child that is killed. */
#define _POSIX_C_SOURCE 200809L
#include "fuseboard.h"
#include "expect.h"

#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t hour = 3600 * SECOND;

static int exit_code_of(pid_t child)
{
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void refusals(void)
{
    fb_board *board = NULL;
    fb_breaker *breaker = NULL;
    fb_breaker_config config;
    fb_token_bucket *bucket;
    fb_concurrency *places;
    fb_error error;
    int32_t is_shared;

    EXPECT(fb_board_open("/nowhere/board", 0, &board, &error) == FB_ESYSTEM && board == NULL);
    EXPECT(strcmp(error.field, "system") == 0 && strstr(error.message, "cannot") != NULL);
    EXPECT(fb_board_open("/proc/self/status", FB_BOARD_EXISTING, &board, &error) < 0);
    EXPECT(error.message[0] != 0);
    board = (fb_board *)(void *)&error;
    EXPECT(fb_board_open("/dev/shm/x", 4, &board, &error) == FB_EINVAL && board == NULL);
    EXPECT(error.message[0] == 0);
    EXPECT(fb_board_open(NULL, 0, &board, &error) == FB_EINVAL);
    EXPECT(fb_board_open("", 0, &board, &error) == FB_EFILE && strcmp(error.field, "path") == 0);
    EXPECT(fb_board_open("/proc/fuseboard", 0, &board, &error) < 0 && error.message[0] != 0);
    EXPECT(strstr(error.message, "BoardOptions") == NULL);
    EXPECT(fb_board_open_anonymous(NULL, &error) == FB_EINVAL);

    EXPECT(fb_board_open_private(&board) == FB_OK);
    EXPECT(fb_board_is_shared(board, &is_shared) == FB_OK && is_shared == 0);
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(fb_board_breaker(board, "", &config, 0, &breaker, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "name") == 0 && breaker == NULL);
    EXPECT(fb_board_breaker(board, "\xff", &config, 0, &breaker, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "name") == 0);
    EXPECT(fb_board_breaker(board, "a", &config, 9, &breaker, &error) == FB_EINVAL);
    EXPECT(fb_board_breaker(NULL, "a", &config, 0, &breaker, &error) == FB_EINVAL);
    config.failure_threshold_ppm = 0;
    EXPECT(fb_board_breaker(board, "a", &config, 0, &breaker, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "failure_threshold") == 0);
    EXPECT(fb_board_token_bucket(board, "a", 0, SECOND, 1, 0, &bucket, &error) == FB_ECONFIG);
    EXPECT(fb_board_concurrency(board, "a", 70000, 0, &places, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "limit") == 0);

    EXPECT(fb_board_concurrency(board, "a", 2, 0, &places, &error) == FB_OK);
    fb_concurrency_free(places);
    EXPECT(fb_board_concurrency(board, "a", 3, FB_WHEN_DIFFERENT_REFUSE, &places, &error) ==
           FB_EDIFFERS);
    EXPECT(strcmp(error.field, "config") == 0);
    EXPECT(fb_board_concurrency(board, "a", 3, FB_WHEN_DIFFERENT_UPDATE, &places, &error) == FB_OK);
    fb_board_close(board);
    /* The name outlives the handle of its board. */
    EXPECT(fb_concurrency_try_acquire(places) == FB_OK);
    fb_concurrency_free(places);
    fb_board_close(NULL);
}

/* All slots of a kind can be taken. */
static void crowd(void)
{
    fb_board *board;
    fb_token_bucket *bucket;
    fb_error error;
    char name[8];
    int number;

    EXPECT(fb_board_open_private(&board) == FB_OK);
    for (number = 0; number < 64; number++) {
        sprintf(name, "b%d", number);
        EXPECT(fb_board_token_bucket(board, name, 1, SECOND, 1, 0, &bucket, &error) == FB_OK);
        fb_token_bucket_free(bucket);
    }
    EXPECT(fb_board_token_bucket(board, "more", 1, SECOND, 1, 0, &bucket, &error) == FB_ENOSLOT);
    EXPECT(strcmp(error.field, "slots") == 0 && strstr(error.message, "64") != NULL);
    fb_board_close(board);
}

/* Every function of a breaker on one that lies on a board. */
static void every_function(void)
{
    fb_board *board;
    fb_breaker *breaker, *again;
    fb_breaker_config config;
    fb_permit permit, copy;
    fb_snapshot snapshot;
    fb_transition change;
    uint64_t wait;
    uint32_t generation = 0;
    fb_transition seen[8];
    size_t count;
    int turn;

    EXPECT(fb_board_open_anonymous(&board, NULL) == FB_OK);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "window=count(4) minimum_requests=4",
                                   NULL) == FB_OK);
    EXPECT(fb_board_breaker(board, "b", &config, 0, &breaker, NULL) == FB_OK);
    EXPECT(fb_board_breaker(board, "b", &config, 0, &again, NULL) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    /* A closed breaker of any generation: the words of a handle's own are never asked. */
    for (turn = 0; turn < 4; turn++) {
        EXPECT(fb_breaker_reset_at(breaker, 0) == FB_OK);
        EXPECT(fb_breaker_try_acquire_at(breaker, 0, &permit, NULL) == FB_OK);
        EXPECT(fb_breaker_settle_at(again, &permit, FB_SUCCESS, 0) == FB_OK);
        snapshot.struct_size = sizeof snapshot;
        EXPECT(fb_breaker_snapshot_at(again, 0, &snapshot) == FB_OK && snapshot.window_calls == 1);
    }
    EXPECT(fb_breaker_reset_at(breaker, 0) == FB_OK);
    EXPECT(fb_breaker_transitions(breaker, &generation, &change, 1, sizeof change, &count, NULL) ==
           FB_OK);
    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 8, sizeof change, &count, NULL) ==
           FB_OK && count == 4);

    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, &wait) == FB_OK && wait == 0);
    copy = permit;
    EXPECT(fb_breaker_settle_at(again, &permit, FB_SUCCESS, SECOND) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_SUCCESS, SECOND) == FB_STALE);
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, &wait) == FB_OK);
    EXPECT(fb_breaker_cancel(breaker, &permit) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, &wait) == FB_OK);
    EXPECT(fb_breaker_settle_weighted_at(breaker, &permit, FB_FAILURE, 3, SECOND) == FB_OK);
    EXPECT(fb_breaker_state(again) == FB_STATE_OPEN);
    EXPECT(fb_breaker_check_at(again, 2 * SECOND, &wait) == FB_OPEN && wait == 29 * SECOND);
    EXPECT(fb_breaker_settle_at(breaker, &copy, FB_SUCCESS, SECOND) == FB_STALE);

    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(again, 2 * SECOND, &snapshot) == FB_OK);
    EXPECT(snapshot.state == FB_STATE_OPEN && snapshot.failures == 3 && snapshot.calls == 8);
    EXPECT(fb_breaker_transitions(breaker, &generation, &change, 1, sizeof change, &count, NULL) ==
           FB_OK);
    EXPECT(count == 1 && change.to == FB_STATE_OPEN);

    EXPECT(fb_breaker_try_acquire_at(again, 40 * SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_HALF_OPEN);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, 40 * SECOND) == FB_OK);
    EXPECT(fb_breaker_state(again) == FB_STATE_OPEN);
    EXPECT(fb_breaker_disable(breaker) == FB_OK);
    EXPECT(fb_breaker_try_acquire(again, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_metrics_only(breaker) == FB_OK);
    EXPECT(fb_breaker_force_open_until_at(breaker, hour, 0) == FB_OK);
    EXPECT(fb_breaker_reset(again) == FB_OK && fb_breaker_state(breaker) == FB_STATE_CLOSED);
    config.open_timeout_ns = SECOND;
    EXPECT(fb_breaker_configure(again, &config, NULL) == FB_OK);
    fb_breaker_free(breaker);
    fb_breaker_free(again);
    fb_board_close(board);
}

/* S3, S5, P1: what a child does its parent sees; what a killed child held comes back; a child cannot give back its
 * parent's place. */
static void children(void)
{
    fb_board *board;
    fb_breaker *breaker;
    fb_token_bucket *bucket;
    fb_concurrency *places;
    fb_breaker_config config;
    fb_permit permit;
    uint64_t units;
    uint32_t number;
    pid_t child;
    int tries;

    EXPECT(fb_board_open_anonymous(&board, NULL) == FB_OK);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "window=consecutive(1)", NULL) == FB_OK);
    EXPECT(fb_board_breaker(board, "breaker", &config, 0, &breaker, NULL) == FB_OK);
    EXPECT(fb_board_token_bucket(board, "bucket", 1, hour, 9, 0, &bucket, NULL) == FB_OK);
    EXPECT(fb_board_concurrency(board, "places", 2, 0, &places, NULL) == FB_OK);
    EXPECT(fb_concurrency_try_acquire_prioritized(places, 0, 255) == FB_EINVAL);
    EXPECT(fb_concurrency_try_acquire(places) == FB_OK);

    child = fork();
    if (child == 0) {
        if (fb_concurrency_release(places) != FB_STALE) _exit(2);
        if (fb_token_bucket_try_acquire(bucket, 4, NULL) != FB_OK) _exit(3);
        if (fb_breaker_try_acquire(breaker, &permit, NULL) != FB_OK) _exit(4);
        if (fb_breaker_settle(breaker, &permit, FB_FAILURE) != FB_OK) _exit(5);
        if (fb_concurrency_try_acquire(places) != FB_OK) _exit(6);
        _exit(0);
    }
    EXPECT(child > 0 && exit_code_of(child) == 0);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
    EXPECT(fb_token_bucket_available(bucket, &units) == FB_OK && units == 5);
    /* It ended with its place, which comes back when somebody needs it. */
    EXPECT(fb_concurrency_in_flight(places, &number) == FB_OK && number == 2);
    for (tries = 0; fb_concurrency_try_acquire(places) != FB_OK; tries++) EXPECT(tries < 100000000);
    EXPECT(fb_concurrency_in_flight(places, &number) == FB_OK && number == 2);
    EXPECT(fb_concurrency_limit(places, &number) == FB_OK && number == 2);
    EXPECT(fb_concurrency_release(places) == FB_OK && fb_concurrency_release(places) == FB_OK);
    EXPECT(fb_concurrency_release(places) == FB_STALE);
    EXPECT(fb_concurrency_set_limit(places, 1, NULL) == FB_OK);
    EXPECT(fb_token_bucket_refund(bucket, 4) == FB_OK && fb_token_bucket_reset(bucket) == FB_OK);
    EXPECT(fb_token_bucket_configure(bucket, 2, hour, 3, NULL) == FB_OK);
    EXPECT(fb_token_bucket_available(bucket, &units) == FB_OK && units == 3);
    fb_breaker_free(breaker);
    fb_token_bucket_free(bucket);
    fb_concurrency_free(places);
    fb_board_close(board);
}

/* Two handles of one file. */
static void file(void)
{
    fb_board *one, *other;
    fb_token_bucket *first, *second;
    fb_error error;
    char path[64];
    int32_t is_shared;

    sprintf(path, "/dev/shm/fuseboard-c-%ld", (long)getpid());
    EXPECT(fb_board_open(path, FB_BOARD_EXISTING, &one, &error) == FB_ESYSTEM);
    EXPECT(fb_board_open(path, 0, &one, &error) == FB_OK);
    EXPECT(fb_board_open(path, FB_BOARD_EXISTING, &other, &error) == FB_OK);
    EXPECT(fb_board_is_shared(one, &is_shared) == FB_OK && is_shared == 1);
    EXPECT(fb_board_token_bucket(one, "a", 1, hour, 1, 0, &first, &error) == FB_OK);
    EXPECT(fb_board_token_bucket(other, "a", 1, hour, 1, 0, &second, &error) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire(first, 1, NULL) == FB_OK);
    EXPECT(fb_token_bucket_try_acquire(second, 1, NULL) == FB_LIMITED);
    EXPECT(unlink(path) == 0);
    fb_token_bucket_free(first);
    fb_token_bucket_free(second);
    fb_board_close(one);
    fb_board_close(other);
}

int main(void)
{
    refusals();
    crowd();
    every_function();
    children();
    file();
    puts("board: ok");
    return 0;
}
