/* Answers for the C interface, a line for each line; see tests/conformance/README.md. */
#include "fuseboard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { BREAKER, TOKEN_BUCKET, SLIDING_LOG, SLIDING_COUNTER, FIXED_WINDOW, LEAKY_BUCKET, CONCURRENCY, KINDS };

static const char *const KIND_NAMES[KINDS] = {"breaker", "token_bucket", "sliding_log", "sliding_counter",
                                              "fixed_window", "leaky_bucket", "concurrency"};

struct policy {
    char name[64];
    enum kind kind;
    uint64_t window_ns;
    union {
        fb_breaker *breaker;
        fb_token_bucket *token_bucket;
        fb_sliding_log *sliding_log;
        fb_sliding_counter *sliding_counter;
        fb_fixed_window *fixed_window;
        fb_leaky_bucket *leaky_bucket;
        fb_concurrency *concurrency;
        void *any;
    } of;
};

#define MOST_POLICIES 64
#define MOST_WORDS 32

static struct policy policies[MOST_POLICIES];
static size_t policy_count;
/* By the runner's number. */
static fb_permit *permits;
static unsigned char *holds_place;
static size_t permit_room;

/* With -DON_BOARD, what a board can hold is on one. */
#ifdef ON_BOARD
static fb_board *board;

static fb_status new_breaker(const char *name, const fb_breaker_config *config, fb_breaker **out, fb_error *error)
{
    return fb_board_breaker(board, name, config, FB_WHEN_DIFFERENT_REFUSE, out, error);
}

static fb_status new_token_bucket(const char *name, uint64_t units, uint64_t per, uint64_t burst, fb_token_bucket **out,
                                  fb_error *error)
{
    return fb_board_token_bucket(board, name, units, per, burst, FB_WHEN_DIFFERENT_REFUSE, out, error);
}

static fb_status new_concurrency(const char *name, uint32_t limit, fb_concurrency **out, fb_error *error)
{
    return fb_board_concurrency(board, name, limit, FB_WHEN_DIFFERENT_REFUSE, out, error);
}
#else
#define new_breaker(name, config, out, error) fb_breaker_new(config, out, error)
#define new_token_bucket(name, units, per, burst, out, error) fb_token_bucket_new(units, per, burst, out, error)
#define new_concurrency(name, limit, out, error) fb_concurrency_new(limit, out, error)
#endif

static void reset(void)
{
    size_t at;
    for (at = 0; at < policy_count; at++) {
        switch (policies[at].kind) {
        case BREAKER: fb_breaker_free(policies[at].of.breaker); break;
        case TOKEN_BUCKET: fb_token_bucket_free(policies[at].of.token_bucket); break;
        case SLIDING_LOG: fb_sliding_log_free(policies[at].of.sliding_log); break;
        case SLIDING_COUNTER: fb_sliding_counter_free(policies[at].of.sliding_counter); break;
        case FIXED_WINDOW: fb_fixed_window_free(policies[at].of.fixed_window); break;
        case LEAKY_BUCKET: fb_leaky_bucket_free(policies[at].of.leaky_bucket); break;
        case CONCURRENCY: fb_concurrency_free(policies[at].of.concurrency); break;
        case KINDS: break;
        }
    }
    policy_count = 0;
#ifdef ON_BOARD
    fb_board_close(board);
    if (fb_board_open_private(&board) != FB_OK) abort();
#endif
}

static struct policy *policy_named(const char *name)
{
    size_t at;
    for (at = 0; at < policy_count; at++)
        if (strcmp(policies[at].name, name) == 0) return &policies[at];
    return NULL;
}

static uint64_t number(const char *word)
{
    return strtoull(word, NULL, 10);
}

static const char *value_of(char **words, const char *key)
{
    size_t length = strlen(key);
    for (; *words != NULL; words++)
        if (strncmp(*words, key, length) == 0 && (*words)[length] == '=') return *words + length + 1;
    return "";
}

/* The settings as fb_breaker_config_parse reads them: times with a unit, windows in brackets. */
static void breaker_text(char **words, char *text, size_t size)
{
    static const char *const SPANS[] = {"open_timeout", "slow_call_duration", "probe_lease", "open_timeout_max",
                                        "ramp_up"};
    size_t used = 0, at;
    text[0] = 0;
    for (; *words != NULL; words++) {
        char key[32], value[64];
        const char *unit = "";
        uint64_t first = 0, second = 0;
        if (sscanf(*words, "%31[^=]=%63s", key, value) != 2) continue;
        for (at = 0; at < sizeof SPANS / sizeof *SPANS; at++)
            if (strcmp(key, SPANS[at]) == 0) unit = "ns";
        if (strcmp(key, "count_overdue") == 0) strcpy(value, strcmp(value, "1") == 0 ? "true" : "false");
        if (sscanf(value, "time:%" SCNu64 ":%" SCNu64, &first, &second) == 2)
            snprintf(value, sizeof value, "time(%" PRIu64 "ns,%" PRIu64 ")", first, second);
        else if (sscanf(value, "decay:%" SCNu64, &first) == 1)
            snprintf(value, sizeof value, "decay(%" PRIu64 "ns)", first);
        else if (sscanf(value, "count:%" SCNu64, &first) == 1)
            snprintf(value, sizeof value, "count(%" PRIu64 ")", first);
        else if (sscanf(value, "consecutive:%" SCNu64, &first) == 1)
            snprintf(value, sizeof value, "consecutive(%" PRIu64 ")", first);
        used += (size_t)snprintf(text + used, size - used, "%s=%s%s ", key, value, unit);
    }
}

static void say_made(fb_status status, const fb_error *error)
{
    if (status == FB_OK) puts("ok");
    else if (status == FB_ECONFIG) printf("refused %s %s\n", error->field, error->message);
    else printf("unanswered %s\n", fb_status_string(status));
}

static void declare(const char *name, char **words)
{
    struct policy *policy = &policies[policy_count];
    fb_error error;
    fb_status status = FB_EINVAL;
    fb_breaker_config config;
    char text[1024];
    uint64_t units = 0, per = 0, limit;

    for (policy->kind = BREAKER; policy->kind < KINDS; policy->kind = (enum kind)(policy->kind + 1))
        if (strcmp(words[0], KIND_NAMES[policy->kind]) == 0) break;
    if (policy->kind == KINDS || policy_count == MOST_POLICIES) {
        puts("unanswered unsupported kind");
        return;
    }
    words++;
    snprintf(policy->name, sizeof policy->name, "%s", name);
    (void)sscanf(value_of(words, "rate"), "%" SCNu64 ":%" SCNu64, &units, &per);
    policy->window_ns = number(value_of(words, "window"));
    limit = number(value_of(words, "limit"));
    switch (policy->kind) {
    case BREAKER:
        breaker_text(words, text, sizeof text);
        status = fb_breaker_config_parse(&config, sizeof config, text, &error);
        if (status == FB_OK) status = new_breaker(name, &config, &policy->of.breaker, &error);
        break;
    case TOKEN_BUCKET:
        status = new_token_bucket(name, units, per, number(value_of(words, "burst")), &policy->of.token_bucket, &error);
        break;
    case LEAKY_BUCKET:
        status = fb_leaky_bucket_new(units, per, number(value_of(words, "queue")), &policy->of.leaky_bucket, &error);
        break;
    case SLIDING_LOG:
        status = fb_sliding_log_new((uint32_t)limit, policy->window_ns, &policy->of.sliding_log, &error);
        break;
    case SLIDING_COUNTER:
        status = fb_sliding_counter_new((uint32_t)limit, policy->window_ns, &policy->of.sliding_counter, &error);
        break;
    case FIXED_WINDOW:
        status = fb_fixed_window_new(limit, policy->window_ns, &policy->of.fixed_window, &error);
        break;
    case CONCURRENCY:
        status = new_concurrency(name, (uint32_t)limit, &policy->of.concurrency, &error);
        break;
    case KINDS: break;
    }
    if (status == FB_OK) policy_count++;
    say_made(status, &error);
}

static void configure(const struct policy *policy, char **words)
{
    fb_error error;
    fb_status status = FB_EINVAL;
    fb_breaker_config config;
    char text[1024];
    uint64_t units = 0, per = 0, limit;

    (void)sscanf(value_of(words, "rate"), "%" SCNu64 ":%" SCNu64, &units, &per);
    limit = number(value_of(words, "limit"));
    switch (policy->kind) {
    case BREAKER:
        breaker_text(words, text, sizeof text);
        status = fb_breaker_config_parse(&config, sizeof config, text, &error);
        if (status == FB_OK) status = fb_breaker_configure(policy->of.breaker, &config, &error);
        break;
    case TOKEN_BUCKET:
        status = fb_token_bucket_configure(policy->of.token_bucket, units, per, number(value_of(words, "burst")),
                                           &error);
        break;
    case LEAKY_BUCKET:
        status = fb_leaky_bucket_configure(policy->of.leaky_bucket, units, per, number(value_of(words, "queue")),
                                           &error);
        break;
    case SLIDING_COUNTER:
        status = fb_sliding_counter_set_limit(policy->of.sliding_counter, (uint32_t)limit, &error);
        break;
    case FIXED_WINDOW: status = fb_fixed_window_set_limit(policy->of.fixed_window, limit, &error); break;
    case CONCURRENCY: status = fb_concurrency_set_limit(policy->of.concurrency, (uint32_t)limit, &error); break;
    case SLIDING_LOG:
    case KINDS: break;
    }
    say_made(status, &error);
}

static void say_admission(fb_status status, uint64_t wait, unsigned longer)
{
    static const char *const REASONS[] = {"",        "open",    "half_open_full", "forced_open",
                                          "ramping", "limited", "full",           "never"};
    if (status == FB_OK) printf("admitted %" PRIu64 "\n", wait);
    else if (status < FB_OPEN || status > FB_NEVER) printf("unanswered %s\n", fb_status_string(status));
    else if (wait == FB_RETRY_UNKNOWN) printf("rejected %s -\n", REASONS[status]);
    else printf("rejected %s %" PRIu64 "\n", REASONS[status], wait + longer);
}

/* The last number means that nobody knows, so the one before it means "as long, or longer": looking there tells which. */
static unsigned is_longer(const struct policy *policy, uint64_t cost, uint64_t now, uint64_t wait)
{
    uint64_t later = now > UINT64_MAX - wait ? UINT64_MAX : now + wait;
    uint32_t units = 0;

    if (wait != FB_RETRY_UNKNOWN - 1) return 0;
    if (policy->kind == BREAKER) return fb_breaker_check_at(policy->of.breaker, later, NULL) != FB_OK;
    if (policy->kind != SLIDING_LOG) return 0;
    (void)fb_sliding_log_available_at(policy->of.sliding_log, later, &units);
    return units < cost;
}

static void acquire_permit(const struct policy *policy, uint64_t permit, uint64_t now)
{
    uint64_t wait = 0;
    fb_status status = FB_EINVAL;

    if (permit >= permit_room) {
        size_t room = (size_t)permit * 2 + 64;
        permits = realloc(permits, room * sizeof *permits);
        holds_place = realloc(holds_place, room);
        if (permits == NULL || holds_place == NULL) abort();
        permit_room = room;
    }
    if (policy->kind == BREAKER) {
        status = fb_breaker_try_acquire_at(policy->of.breaker, now, &permits[permit], &wait);
    } else if (policy->kind == CONCURRENCY) {
        status = fb_concurrency_try_acquire(policy->of.concurrency);
        if (status != FB_OK) wait = FB_RETRY_UNKNOWN;
        holds_place[permit] = status == FB_OK;
    }
    say_admission(status, wait, is_longer(policy, 1, now, wait));
}

static void settle(const struct policy *policy, uint64_t permit, const char *how, uint32_t weight, uint64_t now)
{
    fb_status status;

    if (policy->kind == CONCURRENCY) {
        /* C has no value for a place: who took it knows whether it was given back. */
        status = holds_place[permit] ? fb_concurrency_release(policy->of.concurrency) : FB_STALE;
        holds_place[permit] = 0;
    } else if (strcmp(how, "drop") == 0) {
        status = fb_breaker_cancel(policy->of.breaker, &permits[permit]);
    } else if (strcmp(how, "failure") == 0 && weight != 1) {
        status = fb_breaker_settle_weighted_at(policy->of.breaker, &permits[permit], FB_FAILURE, weight, now);
    } else {
        int32_t outcome = strcmp(how, "success") == 0   ? FB_SUCCESS
                          : strcmp(how, "failure") == 0 ? FB_FAILURE
                                                        : FB_IGNORED;
        status = fb_breaker_settle_at(policy->of.breaker, &permits[permit], outcome, now);
    }
    if (status < 0) printf("unanswered %s\n", fb_status_string(status));
    else puts(status == FB_OK ? "recorded" : "stale");
}

static void control(const struct policy *policy, char **words, uint64_t now)
{
    const fb_breaker *breaker = policy->of.breaker;
    fb_status status;

    if (strcmp(words[0], "force_open") == 0 && words[1] != NULL)
        status = fb_breaker_force_open_until_at(breaker, number(words[1]), now);
    else if (strcmp(words[0], "force_open") == 0) status = fb_breaker_force_open_at(breaker, now);
    else if (strcmp(words[0], "disable") == 0) status = fb_breaker_disable_at(breaker, now);
    else if (strcmp(words[0], "metrics_only") == 0) status = fb_breaker_metrics_only_at(breaker, now);
    else status = fb_breaker_reset_at(breaker, now);
    puts(status == FB_OK ? "ok" : "unanswered a verb was refused");
}

static void acquire(const struct policy *policy, uint64_t cost, uint64_t now)
{
    uint64_t wait = 0;
    fb_status status = FB_EINVAL;

    switch (policy->kind) {
    case TOKEN_BUCKET: status = fb_token_bucket_try_acquire_at(policy->of.token_bucket, cost, now, &wait); break;
    case SLIDING_LOG:
        status = fb_sliding_log_try_acquire_at(policy->of.sliding_log, (uint32_t)cost, now, &wait);
        break;
    case SLIDING_COUNTER:
        status = fb_sliding_counter_try_acquire_at(policy->of.sliding_counter, (uint32_t)cost, now, &wait);
        break;
    case FIXED_WINDOW: status = fb_fixed_window_try_acquire_at(policy->of.fixed_window, cost, now, &wait); break;
    case LEAKY_BUCKET: status = fb_leaky_bucket_try_acquire_at(policy->of.leaky_bucket, cost, now, &wait); break;
    case BREAKER:
    case CONCURRENCY:
    case KINDS: break;
    }
    say_admission(status, wait, is_longer(policy, cost, now, wait));
}

static void reserve(const struct policy *policy, uint64_t cost, const char *longest, uint64_t now)
{
    uint64_t wait = 0, max_wait = strcmp(longest, "-") == 0 ? UINT64_MAX : number(longest);
    fb_status status = FB_EINVAL;

    if (policy->kind == TOKEN_BUCKET)
        status = fb_token_bucket_reserve_at(policy->of.token_bucket, cost, max_wait, now, NULL, &wait);
    else if (policy->kind == LEAKY_BUCKET)
        status = fb_leaky_bucket_reserve_at(policy->of.leaky_bucket, cost, max_wait, now, NULL, &wait);
    say_admission(status, wait, 0);
}

static void refund(const struct policy *policy, uint64_t cost, uint64_t now)
{
    fb_status status = FB_EINVAL;

    switch (policy->kind) {
    case TOKEN_BUCKET: status = fb_token_bucket_refund_at(policy->of.token_bucket, cost, now); break;
    case SLIDING_COUNTER:
        status = fb_sliding_counter_refund_at(policy->of.sliding_counter, (uint32_t)cost, now);
        break;
    case FIXED_WINDOW: status = fb_fixed_window_refund_at(policy->of.fixed_window, cost, now); break;
    case LEAKY_BUCKET: status = fb_leaky_bucket_refund_at(policy->of.leaky_bucket, cost, now); break;
    case BREAKER:
    case SLIDING_LOG:
    case CONCURRENCY:
    case KINDS: break;
    }
    puts(status == FB_OK ? "ok" : "unanswered unsupported refund");
}

static void available(const struct policy *policy, uint64_t now)
{
    uint64_t wide = 0;
    uint32_t narrow = 0, in_flight = 0;
    fb_status status = FB_EINVAL;

    switch (policy->kind) {
    case TOKEN_BUCKET: status = fb_token_bucket_available_at(policy->of.token_bucket, now, &wide); break;
    case SLIDING_LOG: status = fb_sliding_log_available_at(policy->of.sliding_log, now, &narrow); break;
    case SLIDING_COUNTER: status = fb_sliding_counter_available_at(policy->of.sliding_counter, now, &narrow); break;
    case FIXED_WINDOW: status = fb_fixed_window_available_at(policy->of.fixed_window, now, &wide); break;
    case LEAKY_BUCKET: status = fb_leaky_bucket_available_at(policy->of.leaky_bucket, now, &wide); break;
    case CONCURRENCY:
        status = fb_concurrency_limit(policy->of.concurrency, &narrow);
        (void)fb_concurrency_in_flight(policy->of.concurrency, &in_flight);
        narrow = narrow > in_flight ? narrow - in_flight : 0;
        break;
    case BREAKER:
    case KINDS: break;
    }
    if (status == FB_OK) printf("%" PRIu64 "\n", wide + narrow);
    else puts("unanswered unsupported available");
}

static void in_flight(const struct policy *policy, uint64_t now)
{
    uint32_t calls = 0;
    fb_status status;

    if (policy->kind == BREAKER) {
        fb_snapshot snapshot;
        snapshot.struct_size = sizeof snapshot;
        status = fb_breaker_snapshot_at(policy->of.breaker, now, &snapshot);
        calls = status == FB_OK ? snapshot.in_flight : 0;
    } else {
        status = fb_concurrency_in_flight(policy->kind == CONCURRENCY ? policy->of.concurrency : NULL, &calls);
    }
    if (status == FB_OK) printf("%" PRIu32 "\n", calls);
    else puts("unanswered unsupported in_flight");
}

static void answer(char **words)
{
    const char *verb = words[0];
    uint64_t now = number(words[1]);
    const struct policy *policy;
    char **rest = words + 3;

    if (strcmp(verb, "declare") == 0) {
        declare(words[2], rest);
        return;
    }
    policy = policy_named(words[2]);
    if (policy == NULL) puts("unanswered nothing has this name");
    else if (strcmp(verb, "configure") == 0) configure(policy, rest + 1);
    else if (strcmp(verb, "acquire_permit") == 0) acquire_permit(policy, number(rest[0]), now);
    else if (strcmp(verb, "settle") == 0)
        settle(policy, number(rest[0]), rest[1], (uint32_t)number(rest[2]), now);
    else if (strcmp(verb, "control") == 0) control(policy, rest, now);
    else if (strcmp(verb, "acquire") == 0) acquire(policy, number(rest[0]), now);
    else if (strcmp(verb, "reserve") == 0) reserve(policy, number(rest[0]), rest[1], now);
    else if (strcmp(verb, "refund") == 0) refund(policy, number(rest[0]), now);
    else if (strcmp(verb, "state") == 0) puts(fb_state_string(fb_breaker_state(policy->of.breaker)));
    else if (strcmp(verb, "available") == 0) available(policy, now);
    else if (strcmp(verb, "in_flight") == 0) in_flight(policy, now);
    else puts("unanswered unsupported verb");
}

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof line, stdin) != NULL) {
        char *words[MOST_WORDS + 1] = {NULL};
        size_t count = 0;
        char *word = strtok(line, " \n");
        for (; word != NULL && count < MOST_WORDS; word = strtok(NULL, " \n")) words[count++] = word;
        if (count == 1) {
            reset();
            puts("ok");
        } else if (count >= 3) {
            answer(words);
        } else {
            puts("unanswered no such line");
        }
        fflush(stdout);
    }
    reset();
    free(permits);
    free(holds_place);
    return 0;
}
