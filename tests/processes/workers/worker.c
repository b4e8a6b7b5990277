/* What a worker of C does with a board: the commands of src/worker.rs, with the same words and settings. Each says `ready`,
 * waits for a line, does its work and prints what it found. */
#define _POSIX_C_SOURCE 200809L
#include "fuseboard.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HOUR (UINT64_C(3600) * 1000000000)

static void need(fb_status status, const char *what)
{
    if (status == FB_OK) return;
    fprintf(stderr, "%s: %s\n", what, fb_status_string(status));
    exit(1);
}

static void start(void)
{
    char line[16];
    puts("ready");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) exit(1);
}

static fb_board *board_at(const char *path)
{
    fb_board *board;
    need(fb_board_open(path, 0, &board, NULL), "board");
    return board;
}

static fb_breaker *breaker_on(const fb_board *board, const char *name, const char *settings, int32_t when_different)
{
    fb_breaker_config config;
    fb_breaker *breaker;
    need(fb_breaker_config_parse(&config, sizeof config, settings, NULL), settings);
    need(fb_board_breaker(board, name, &config, when_different, &breaker, NULL), name);
    return breaker;
}

static fb_token_bucket *bucket_on(const fb_board *board, const char *name, uint64_t burst)
{
    fb_token_bucket *bucket;
    need(fb_board_token_bucket(board, name, 1, HOUR, burst, FB_WHEN_DIFFERENT_REFUSE, &bucket, NULL), name);
    return bucket;
}

static fb_concurrency *limit_on(const fb_board *board, const char *name, uint32_t limit)
{
    fb_concurrency *places;
    need(fb_board_concurrency(board, name, limit, FB_WHEN_DIFFERENT_REFUSE, &places, NULL), name);
    return places;
}

/* How many of so many tries the one bucket of all admits: 50, and no more for an hour. */
static void spend(const fb_board *board, uint64_t tries)
{
    fb_token_bucket *bucket = bucket_on(board, "spend", 50);
    uint64_t admitted = 0;
    start();
    for (; tries > 0; tries--) admitted += fb_token_bucket_try_acquire(bucket, 1, NULL) == FB_OK;
    printf("%" PRIu64 "\n", admitted);
    fb_token_bucket_free(bucket);
}

/* Enters a room for two again and again; how often there were three. */
static void enter(const fb_board *board, uint64_t tries)
{
    fb_concurrency *room = limit_on(board, "room", 2);
    uint64_t crowds = 0;
    uint32_t inside = 0;
    start();
    for (; tries > 0; tries--) {
        if (fb_concurrency_try_acquire(room) != FB_OK) continue;
        need(fb_concurrency_in_flight(room, &inside), "in flight");
        crowds += inside > 2;
        need(fb_concurrency_release(room), "release");
    }
    printf("%" PRIu64 "\n", crowds);
    fb_concurrency_free(room);
}

/* How many probes of a half-open breaker it was given; it reports none of them and dies with them. */
static void probe(const fb_board *board, uint64_t tries)
{
    fb_breaker *breaker = breaker_on(board, "probe", "", FB_WHEN_DIFFERENT_KEEP);
    fb_permit permit;
    uint64_t given = 0;
    start();
    for (; tries > 0; tries--) given += fb_breaker_try_acquire(breaker, &permit, NULL) == FB_OK;
    printf("%" PRIu64 "\n", given);
    fflush(stdout);
    raise(SIGKILL);
}

/* As many operations as it is told, of five kinds in turn; prints how many of them succeeded, failed, were cancelled, got a
 * token and got a place. */
static void mix(const fb_board *board, uint64_t operations)
{
    fb_breaker *breaker =
        breaker_on(board, "mix", "failure_threshold=1 minimum_requests=1000000", FB_WHEN_DIFFERENT_REFUSE);
    fb_token_bucket *bucket = bucket_on(board, "mix", 1000);
    fb_concurrency *room = limit_on(board, "mix", 4);
    fb_permit permit;
    uint64_t found[5] = {0}, number;
    start();
    for (number = 0; number < operations; number++) {
        unsigned kind = number % 5;
        fb_status status;
        if (kind == 3) {
            status = fb_token_bucket_try_acquire(bucket, 1, NULL);
        } else if (kind == 4) {
            status = fb_concurrency_try_acquire(room);
            if (status == FB_OK) need(fb_concurrency_release(room), "release");
        } else {
            need(fb_breaker_try_acquire(breaker, &permit, NULL), "acquire");
            status = kind == 2 ? fb_breaker_cancel(breaker, &permit)
                               : fb_breaker_settle(breaker, &permit, kind == 0 ? FB_SUCCESS : FB_FAILURE);
        }
        found[kind] += status == FB_OK;
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", found[0], found[1], found[2], found[3],
           found[4]);
    fb_breaker_free(breaker);
    fb_token_bucket_free(bucket);
    fb_concurrency_free(room);
}

/* Trips the breaker that all share, or says after how many admitted calls it is rejected because another process did. */
static void trip_or_look(const fb_board *board, int32_t outcome)
{
    fb_breaker *breaker =
        breaker_on(board, "shared", "minimum_requests=10 open_timeout=1h", FB_WHEN_DIFFERENT_REFUSE);
    fb_permit permit;
    uint64_t admitted = 0;
    start();
    while (fb_breaker_try_acquire(breaker, &permit, NULL) == FB_OK) {
        need(fb_breaker_settle(breaker, &permit, outcome), "settle");
        admitted++;
    }
    if (outcome == FB_FAILURE) puts(fb_state_string(fb_breaker_state(breaker)));
    else printf("%" PRIu64 "\n", admitted);
    fb_breaker_free(breaker);
}

/* What a victim says of itself, by the rules of this package's README.md. */
enum { DOING, DONE, CALLS, FAILURES, UNITS, PLACES, PROBES };

static void say(uint64_t *scratch, unsigned word, uint64_t value)
{
    __atomic_store_n(&scratch[word], value, __ATOMIC_SEQ_CST);
}

static uint64_t *scratch_at(const char *path)
{
    int file = open(path, O_RDWR);
    void *words = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (words == MAP_FAILED) exit(1);
    return words;
}

/* Works until it is killed. */
static void victim(const fb_board *board, uint64_t *scratch, uint64_t random)
{
    fb_breaker *count = breaker_on(board, "count", "", FB_WHEN_DIFFERENT_REFUSE);
    fb_breaker *trip = breaker_on(board, "trip", "minimum_requests=4 open_timeout=1ms probe_lease=20ms",
                                  FB_WHEN_DIFFERENT_REFUSE);
    fb_concurrency *places = limit_on(board, "places", 8);
    fb_token_bucket *bucket;
    fb_permit permit;
    uint64_t held = 0;
    need(fb_board_token_bucket(board, "bucket", 1, HOUR / 60, 9000000, FB_WHEN_DIFFERENT_REFUSE, &bucket, NULL), "bucket");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fails;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        fails = random >> 40 & 3;
        switch (random >> 20 & 7) {
        case 0: case 1: case 2:
            say(scratch, DOING, 1);
            if (fb_breaker_try_acquire(count, &permit, NULL) == FB_OK) {
                fb_breaker_settle(count, &permit, fails == 0 ? FB_FAILURE : FB_SUCCESS);
                say(scratch, CALLS, scratch[CALLS] + 1);
                say(scratch, FAILURES, scratch[FAILURES] + (fails == 0));
            }
            break;
        case 3: case 4:
            say(scratch, DOING, 2);
            if (fb_breaker_try_acquire(trip, &permit, NULL) == FB_OK)
                fb_breaker_settle(trip, &permit, fails == 0 ? FB_SUCCESS : FB_FAILURE);
            break;
        case 5:
            say(scratch, DOING, 4);
            if (fb_token_bucket_try_acquire(bucket, 1, NULL) == FB_OK) say(scratch, UNITS, scratch[UNITS] + 1);
            break;
        case 6:
            say(scratch, DOING, 5);
            if (held < 2 && fb_concurrency_try_acquire(places) == FB_OK) say(scratch, PLACES, ++held);
            break;
        default:
            say(scratch, DOING, 6);
            if (held > 0) {
                say(scratch, PLACES, --held);
                need(fb_concurrency_release(places), "release");
            }
        }
        say(scratch, DONE, scratch[DONE] + 1);
        say(scratch, DOING, 0);
    }
}

int main(int count, char **words)
{
    fb_board *board;
    uint64_t number;

    if (count < 3) return 2;
    board = board_at(words[2]);
    number = count > 3 ? strtoull(words[3], NULL, 10) : 0;
    if (strcmp(words[1], "spend") == 0) spend(board, number);
    else if (strcmp(words[1], "enter") == 0) enter(board, number);
    else if (strcmp(words[1], "probe") == 0) probe(board, number);
    else if (strcmp(words[1], "mix") == 0) mix(board, number);
    else if (strcmp(words[1], "victim") == 0 && count > 4)
        victim(board, scratch_at(words[3]), strtoull(words[4], NULL, 10));
    else if (strcmp(words[1], "trip") == 0) trip_or_look(board, FB_FAILURE);
    else if (strcmp(words[1], "look") == 0) trip_or_look(board, FB_SUCCESS);
    else return 2;
    fb_board_close(board);
    return 0;
}
