/*
 * A Cortex-M4 without operating system, heap or libc: a breaker guards a sensor on a bus, and a token bucket the radio. Their words are
 * shared with an interrupt handler, which may come at any instruction. Built and run in an emulator by `cargo xtask test firmware`; the
 * commands stand in docs/c.md.
 */
#define FB_FREESTANDING
#include "fuseboard.h"

#include <stdbool.h>

/* Memory of the program: nothing is allocated. */
static unsigned char breaker_memory[FB_BREAKER_SIZE];
static unsigned char radio_memory[128];
static fb_breaker *sensor;
static fb_token_bucket *radio;

/* Time is an argument: here it is a millisecond for each tick. */
static volatile uint32_t ticks;
static volatile uint32_t alarms_sent, alarms_held_back;

static uint64_t now_ns(void)
{
    return (uint64_t)ticks * 1000000u;
}

/* Every tenth tick there is an alarm, and two of them a second may be sent. */
void on_tick(void);
void on_tick(void)
{
    ticks++;
    if (ticks % 10 != 0) return;
    if (fb_token_bucket_try_acquire_at(radio, 1, now_ns(), NULL) == FB_OK) alarms_sent++;
    else alarms_held_back++;
    /* And it looks at the sensor, in the middle of whatever the main loop does with it. */
    fb_permit permit;
    if (fb_breaker_try_acquire_at(sensor, now_ns(), &permit, NULL) == FB_OK)
        (void)fb_breaker_cancel(sensor, &permit);
}

/* The sensor does not answer from the first to the third second. */
static bool sensor_answers(void)
{
    return ticks < 1000 || ticks >= 3000;
}

/* What the emulator offers instead of a screen: semihosting. */
static long ask_host(long operation, const void *argument)
{
    register long r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void say(const char *text)
{
    (void)ask_host(0x04, text);
}

static void leave(bool well)
{
    /* "The application has ended", or "an error at run time". */
    (void)ask_host(0x18, (const void *)(well ? 0x20026 : 0x20023));
    for (;;) {}
}

static void must(bool holds, const char *what)
{
    if (holds) return;
    say("failed: ");
    say(what);
    say("\n");
    leave(false);
}

static void work(void)
{
    fb_breaker_config config;
    fb_permit permit;
    uint32_t asked = 0, spared = 0;
    bool was_open = false;

    must(fb_breaker_config_parse(&config, sizeof config, "window=consecutive(5) open_timeout=500ms half_open_requests=1",
                                 NULL) == FB_OK, "settings");
    must(fb_breaker_init(breaker_memory, sizeof breaker_memory, &config, &sensor, NULL) == FB_OK, "breaker");
    must(fb_token_bucket_init(radio_memory, sizeof radio_memory, 2, UINT64_C(1000000000), 2, &radio, NULL) == FB_OK,
         "token bucket");

    /* SysTick, every 25,000 cycles. */
    *(volatile uint32_t *)0xE000E014 = 25000 - 1;
    *(volatile uint32_t *)0xE000E018 = 0;
    *(volatile uint32_t *)0xE000E010 = 7;

    while (ticks < 5000) {
        uint32_t before = ticks;
        if (fb_breaker_try_acquire_at(sensor, now_ns(), &permit, NULL) == FB_OK) {
            asked++;
            (void)fb_breaker_settle_at(sensor, &permit, sensor_answers() ? FB_SUCCESS : FB_FAILURE, now_ns());
        } else {
            spared++;
        }
        was_open |= fb_breaker_state(sensor) == FB_STATE_OPEN;
        while (ticks == before) {}
    }
    must(was_open, "the breaker never opened");
    must(fb_breaker_state(sensor) == FB_STATE_CLOSED, "the breaker did not close again");
    must(spared > 1500 && asked > 2500, "the sensor was asked too often, or not often enough");
    must(alarms_sent >= 10 && alarms_sent <= 12, "the radio sent another number of alarms");
    must(alarms_sent + alarms_held_back == ticks / 10, "an alarm was lost");
    say("firmware: ok\n");
    leave(true);
}

/* What a start-up file would bring. */
extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;

void on_reset(void);
void on_reset(void)
{
    uint32_t *from = &data_load, *to;
    for (to = &data_start; to < &data_end;) *to++ = *from++;
    for (to = &bss_start; to < &bss_end;) *to++ = 0;
    work();
}

static void on_fault(void)
{
    say("failed: a fault of the processor\n");
    leave(false);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, (void *)on_reset, (void *)on_fault, (void *)on_fault, (void *)on_fault, (void *)on_fault, (void *)on_fault,
    0, 0, 0, 0, 0, 0, 0, 0, (void *)on_tick};
