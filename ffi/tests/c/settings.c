/* A breaker made from text, in memory of the program; its changes of state, read later. */
#include "fuseboard.h"
#include "expect.h"

#include <string.h>

static unsigned char memory[FB_BREAKER_SIZE];

static void text(void)
{
    fb_breaker_config config, untouched;
    fb_error error;

    EXPECT(fb_breaker_config_parse(&config, sizeof config,
                                   "failure_threshold=0.25, window=time(5s,5) open_timeout=1.5s",
                                   &error) == FB_OK);
    EXPECT(config.struct_size == sizeof config && config.failure_threshold_ppm == 250000);
    EXPECT(config.window_ns == 5 * SECOND && config.window_slots == 5);
    EXPECT(config.open_timeout_ns == SECOND / 2 * 3 && config.half_open_requests == 3);
    EXPECT(error.field[0] == 0 && error.message[0] == 0);

    untouched = config;
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "open_timeout=30", &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "open_timeout") == 0);
    EXPECT(strcmp(error.message, "open_timeout is 30; allowed: a time with its unit, ns us ms s m h "
                                 "or d, such as 30s or 1.5ms") == 0);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "failure_threshold=1.5", &error) ==
           FB_ECONFIG);
    EXPECT(strcmp(error.field, "failure_threshold") == 0 && strstr(error.message, "1.5") != NULL);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "failure_treshold=0.5", NULL) ==
           FB_ECONFIG);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "ramp_up=\xff", NULL) == FB_EINVAL);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_breaker_config_parse(NULL, sizeof config, "", NULL) == FB_EINVAL);
    EXPECT(fb_breaker_config_parse(&config, 8, "", NULL) == FB_ESIZE);
    EXPECT(memcmp(&config, &untouched, sizeof config) == 0);
}

static void memory_of_the_program(void)
{
    fb_breaker_config config;
    fb_breaker *breaker;
    fb_permit permit;
    fb_snapshot snapshot;

    EXPECT(fb_breaker_size() <= FB_BREAKER_SIZE);
    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(fb_breaker_init(memory, 64, &config, &breaker, NULL) == FB_ESIZE && breaker == NULL);
    EXPECT(fb_breaker_init(NULL, sizeof memory, &config, &breaker, NULL) == FB_EINVAL);
    config.failure_threshold_ppm = 0;
    EXPECT(fb_breaker_init(memory, sizeof memory, &config, &breaker, NULL) == FB_ECONFIG);
    config.failure_threshold_ppm = 500000;
    config.minimum_requests = 10;
    EXPECT(fb_breaker_init(memory, sizeof memory, &config, &breaker, NULL) == FB_OK);
    EXPECT((unsigned char *)breaker >= memory && (unsigned char *)breaker < memory + sizeof memory);

    /* One failure that weighs ten is ten failures. */
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_weighted_at(breaker, &permit, FB_FAILURE, 9, SECOND) == FB_OK);
    EXPECT(fb_breaker_settle_weighted_at(breaker, &permit, FB_FAILURE, 9, SECOND) == FB_STALE);
    snapshot.struct_size = sizeof snapshot;
    EXPECT(fb_breaker_snapshot_at(breaker, SECOND, &snapshot) == FB_OK);
    EXPECT(snapshot.window_calls == 9 && snapshot.window_failures == 9);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_CLOSED);
    EXPECT(fb_breaker_try_acquire_at(breaker, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(breaker, &permit, FB_FAILURE, SECOND) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_OPEN);
}

/* What a program knew before it started again. */
static void saved(void)
{
    unsigned char bytes[FB_BREAKER_SAVED_SIZE];
    fb_breaker_config config, other;
    fb_breaker *before, *after, *different;
    fb_permit permit;
    uint64_t wait;
    size_t used;

    EXPECT(fb_breaker_config_parse(&config, sizeof config, "minimum_requests=1", NULL) == FB_OK);
    EXPECT(fb_breaker_new(&config, &before, NULL) == FB_OK);
    EXPECT(fb_breaker_new(&config, &after, NULL) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(before, 100 * SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(before, &permit, FB_FAILURE, 100 * SECOND) == FB_OK);
    EXPECT(fb_breaker_save_at(before, 110 * SECOND, bytes, 8, &used) == FB_ESIZE && used == 0);
    EXPECT(fb_breaker_save_at(before, 110 * SECOND, bytes, sizeof bytes, &used) == FB_OK);
    EXPECT(used > 0 && used <= sizeof bytes);
    EXPECT(fb_breaker_restore_at(after, 1000 * SECOND, 5 * SECOND, bytes, used - 1) == FB_ELAYOUT);
    EXPECT(fb_breaker_state(after) == FB_STATE_CLOSED);
    EXPECT(fb_breaker_restore_at(after, 1000 * SECOND, 5 * SECOND, bytes, used) == FB_OK);
    EXPECT(fb_breaker_state(after) == FB_STATE_OPEN);
    EXPECT(fb_breaker_check_at(after, 1000 * SECOND, &wait) == FB_OPEN && wait == 15 * SECOND);
    EXPECT(fb_breaker_config_parse(&other, sizeof other, "window=count(5)", NULL) == FB_OK);
    EXPECT(fb_breaker_new(&other, &different, NULL) == FB_OK);
    EXPECT(fb_breaker_restore(different, 0, bytes, used) == FB_ELAYOUT);
    EXPECT(fb_breaker_save(different, bytes, sizeof bytes, &used) == FB_OK);
    EXPECT(fb_breaker_restore(different, 0, bytes, used) == FB_OK);
    fb_breaker_free(before);
    fb_breaker_free(after);
    fb_breaker_free(different);
}

static void changes(void)
{
    fb_breaker_config config;
    fb_breaker *breaker;
    fb_transition seen[FB_TRANSITIONS_KEPT + 1];
    fb_permit permit;
    uint64_t wait;
    uint32_t generation = 0, lost = 0;
    size_t count;
    int turn;

    EXPECT(fb_breaker_config_init(&config, sizeof config) == FB_OK);
    EXPECT(fb_breaker_new(&config, &breaker, NULL) == FB_OK);
    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 9, sizeof *seen, &count, &lost) ==
           FB_OK);
    EXPECT(generation == 0 && count == 0 && lost == 0);

    EXPECT(fb_breaker_force_open_until_at(breaker, 5 * SECOND, SECOND) == FB_OK);
    EXPECT(fb_breaker_try_acquire_at(breaker, 2 * SECOND, &permit, &wait) == FB_FORCED_OPEN);
    EXPECT(wait == 3 * SECOND);
    EXPECT(fb_breaker_try_acquire_at(breaker, 5 * SECOND, &permit, &wait) == FB_OK);
    EXPECT(fb_breaker_state(breaker) == FB_STATE_HALF_OPEN);

    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 1, sizeof *seen, &count, &lost) ==
           FB_OK);
    EXPECT(generation == 1 && count == 1 && lost == 0);
    EXPECT(seen[0].struct_size == sizeof *seen && seen[0].to == FB_STATE_FORCED_OPEN);
    EXPECT(seen[0].cause == FB_CAUSE_MANUAL && seen[0].at_ns == SECOND);
    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 9, sizeof *seen, &count, NULL) ==
           FB_OK);
    EXPECT(generation == 2 && count == 1 && seen[0].to == FB_STATE_HALF_OPEN);

    for (turn = 0; turn < 10; turn++)
        EXPECT(fb_breaker_reset_at(breaker, 6 * SECOND) == FB_OK);
    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 9, sizeof *seen, &count, &lost) ==
           FB_OK);
    EXPECT(generation == 12 && count == FB_TRANSITIONS_KEPT && lost == 2);
    EXPECT(fb_breaker_transitions(breaker, &generation, seen, 9, 8, &count, &lost) == FB_ESIZE);
    EXPECT(fb_breaker_transitions(breaker, NULL, seen, 9, sizeof *seen, &count, &lost) ==
           FB_EINVAL);
    EXPECT(fb_breaker_transitions(NULL, &generation, seen, 9, sizeof *seen, &count, &lost) ==
           FB_EINVAL);
    EXPECT(fb_breaker_force_open_until(breaker, 0) == FB_OK);
    EXPECT(fb_breaker_try_acquire(breaker, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_weighted(breaker, &permit, FB_SUCCESS, 1) == FB_OK);
    fb_breaker_free(breaker);
}

int main(void)
{
    text();
    memory_of_the_program();
    saved();
    changes();
    puts("settings: ok");
    return 0;
}
