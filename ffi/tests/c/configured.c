/* Policies by name, from text and from files; what is wrong with either; reloaded while they run. */
#define _POSIX_C_SOURCE 200809L
#include "expect.h"
#include "fuseboard.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char TEXT[] = "[breakers.payments]\n"
                           "window = { consecutive = 1 }\n"
                           "open_timeout = \"15s\"\n"
                           "[breakers.search]\n"
                           "record_latency = true\n"
                           "[rate_limits.api]\n"
                           "rate = \"100/s\"\n"
                           "burst = 2\n"
                           "[rate_limits.exact]\n"
                           "rate = \"3/s\"\n"
                           "algorithm = \"sliding_window\"\n"
                           "[concurrency.reports]\n"
                           "limit = 4\n"
                           "[timeouts.fetch]\n"
                           "limit = \"1s\"\n";

static fb_policies *policies_of(const char *text, const fb_board *board)
{
    fb_policies *policies = NULL;
    fb_error error;
    fb_status status = fb_policies_from_text(text, FB_FORMAT_TOML, board, &policies, &error);
    if (status != FB_OK) fprintf(stderr, "%s\n", error.message);
    EXPECT(status == FB_OK && policies != NULL && error.message[0] == 0);
    return policies;
}

static void used(const fb_policies *policies)
{
    const fb_breaker *payments = NULL, *again = NULL, *search = NULL;
    const fb_token_bucket *api = NULL;
    const fb_sliding_log *exact = NULL;
    const fb_concurrency *reports = NULL;
    static fb_latency_counts counts;
    fb_permit permit;
    uint64_t wait = 0, units = 0, per_ns = 0, burst = 0;
    uint32_t limit = 0;

    EXPECT(fb_policies_breaker(policies, "payments", &payments) == FB_OK);
    EXPECT(fb_policies_breaker(policies, "payments", &again) == FB_OK && again == payments);
    EXPECT(fb_policies_breaker(policies, "search", &search) == FB_OK && search != payments);
    EXPECT(fb_breaker_try_acquire_at(payments, SECOND, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle_at(payments, &permit, FB_FAILURE, SECOND) == FB_OK);
    EXPECT(fb_breaker_check_at(payments, SECOND, &wait) == FB_OPEN && wait == 15 * SECOND);
    counts.struct_size = sizeof counts;
    EXPECT(fb_breaker_latency(search, &counts) == FB_OK);

    EXPECT(fb_policies_token_bucket(policies, "api", &api) == FB_OK);
    EXPECT(fb_token_bucket_rate(api, &units, &per_ns, &burst) == FB_OK && burst == 2);
    EXPECT(fb_policies_sliding_log(policies, "exact", &exact) == FB_OK);
    EXPECT(fb_sliding_log_try_acquire_at(exact, 3, SECOND, NULL) == FB_OK);
    EXPECT(fb_sliding_log_try_acquire_at(exact, 1, SECOND, NULL) == FB_LIMITED);
    EXPECT(fb_policies_concurrency(policies, "reports", &reports) == FB_OK);
    EXPECT(fb_concurrency_limit(reports, &limit) == FB_OK && limit == 4);

    again = payments;
    EXPECT(fb_policies_breaker(policies, "nobody", &again) == FB_ENONAME && again == NULL);
    EXPECT(fb_policies_breaker(policies, "api", &again) == FB_ENONAME);
    EXPECT(fb_policies_breaker(policies, "\xff\xfe", &again) == FB_ENONAME);
    EXPECT(fb_policies_token_bucket(policies, "exact", &api) == FB_ENONAME && api == NULL);
    EXPECT(fb_policies_sliding_log(policies, "api", &exact) == FB_ENONAME && exact == NULL);
    EXPECT(fb_policies_concurrency(policies, "", &reports) == FB_ENONAME);
    EXPECT(fb_policies_breaker(policies, NULL, &again) == FB_EINVAL);
    EXPECT(fb_policies_breaker(policies, "payments", NULL) == FB_EINVAL);
}

static void reloaded(void)
{
    fb_policies *policies = policies_of(TEXT, NULL);
    const fb_breaker *payments = NULL, *added = NULL;
    const fb_concurrency *reports = NULL;
    fb_breaker_config config;
    fb_error error;
    uint32_t limit = 0;

    used(policies);
    EXPECT(fb_policies_breaker(policies, "payments", &payments) == FB_OK);
    EXPECT(fb_policies_concurrency(policies, "reports", &reports) == FB_OK);
    EXPECT(fb_policies_reload_text(policies,
                                   "[breakers.payments]\nwindow = { consecutive = 1 }\n"
                                   "open_timeout = \"20s\"\n"
                                   "[breakers.new]\n[concurrency.reports]\nlimit = 9\n",
                                   FB_FORMAT_TOML, &error) == FB_OK);
    EXPECT(fb_breaker_state(payments) == FB_STATE_OPEN);
    EXPECT(fb_breaker_read_config(payments, &config, sizeof config) == FB_OK);
    EXPECT(config.open_timeout_ns == 20 * SECOND);
    EXPECT(fb_concurrency_limit(reports, &limit) == FB_OK && limit == 9);
    EXPECT(fb_policies_breaker(policies, "new", &added) == FB_OK);
    EXPECT(fb_policies_breaker(policies, "search", &added) == FB_OK);

    /* All or nothing. */
    EXPECT(fb_policies_reload_text(policies,
                                   "{\"breakers\": {\"payments\": {\"window\": {\"count\": 5}}, \"late\": {}},"
                                   " \"concurrency\": {\"reports\": {\"limit\": 1}}}",
                                   FB_FORMAT_JSON, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "window") == 0);
    EXPECT(strstr(error.message, "breakers.payments.window") != NULL &&
           strstr(error.message, "cannot change while it runs") != NULL);
    EXPECT(fb_policies_breaker(policies, "late", &added) == FB_ENONAME);
    EXPECT(fb_concurrency_limit(reports, &limit) == FB_OK && limit == 9);
    EXPECT(fb_policies_reload_text(policies, "breakers:\n  search:\n    record_latency: false\n",
                                   FB_FORMAT_YAML, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "record_latency") == 0);
    EXPECT(fb_policies_reload_text(policies, "[rate_limits.api]\nrate = \"100/s\"\nalgorithm = "
                                             "\"sliding_window\"\n",
                                   FB_FORMAT_TOML, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "algorithm") == 0);
    EXPECT(fb_policies_reload_text(policies, "board = \"/dev/shm/none\"\n", FB_FORMAT_TOML, &error) ==
           FB_ECONFIG);
    EXPECT(strcmp(error.field, "board") == 0 && strstr(error.message, "restart") != NULL);
    EXPECT(fb_policies_reload_text(policies, "nonsense", FB_FORMAT_TOML, &error) == FB_ECONFIG);
    EXPECT(fb_policies_reload_text(NULL, "", FB_FORMAT_TOML, &error) == FB_EINVAL);
    fb_policies_free(policies);
    fb_policies_free(NULL);
}

static void refused(void)
{
    fb_policies *policies = NULL;
    fb_error error;

    EXPECT(fb_policies_from_text("[breakers.a]\nfailure_threshold = 1.5\n[breakers.b]\nopen_timeout = 3\n",
                                 FB_FORMAT_TOML, NULL, &policies, &error) == FB_ECONFIG);
    EXPECT(policies == NULL && strcmp(error.field, "failure_threshold") == 0);
    EXPECT(strcmp(error.message, "2 errors, the first: 2:21: breakers.a.failure_threshold = 1.5: must be "
                                 "above 0 and at most 1 (100%)") == 0);
    EXPECT(fb_policies_from_text("\xff", FB_FORMAT_TOML, NULL, &policies, &error) == FB_ECONFIG);
    EXPECT(strstr(error.message, "UTF-8") != NULL);
    EXPECT(fb_policies_from_text("", 3, NULL, &policies, &error) == FB_EINVAL);
    EXPECT(fb_policies_from_text("", INT32_MIN, NULL, &policies, NULL) == FB_EINVAL);
    EXPECT(fb_policies_from_text(NULL, FB_FORMAT_TOML, NULL, &policies, &error) == FB_EINVAL);
    EXPECT(fb_policies_from_text("", FB_FORMAT_TOML, NULL, NULL, &error) == FB_EINVAL);
    EXPECT(fb_policies_from_text("]]]]{{{{\x01", FB_FORMAT_YAML, NULL, &policies, NULL) == FB_ECONFIG);
    EXPECT(fb_policies_from_path("/nowhere/fuseboard.toml", NULL, &policies, &error) == FB_ECONFIG);
    EXPECT(strstr(error.message, "/nowhere/fuseboard.toml") != NULL);
    EXPECT(fb_policies_from_path("fuseboard.ini", NULL, &policies, &error) == FB_ECONFIG);
    EXPECT(strstr(error.message, "extension") != NULL);
    EXPECT(fb_policies_from_path(NULL, NULL, &policies, &error) == FB_EINVAL);
    EXPECT(fb_policies_from_text("board = \"/nowhere/board\"\n", FB_FORMAT_TOML, NULL, &policies, &error) ==
           FB_ESYSTEM);
    EXPECT(policies == NULL && error.message[0] != 0);
}

struct heard {
    int errors, warnings;
    char last[256];
};

static void hear(void *user, int32_t is_error, const char *finding)
{
    struct heard *heard = user;
    if (is_error) heard->errors++;
    else heard->warnings++;
    snprintf(heard->last, sizeof heard->last, "%s", finding);
}

static void checked(void)
{
    struct heard heard = {0, 0, ""};
    EXPECT(fb_policies_check(TEXT, FB_FORMAT_TOML, hear, &heard) == FB_OK && heard.errors == 0);
    heard.warnings = 0;
    EXPECT(fb_policies_check("[breakers.a]\nfailure_threshold = 1.5\nopen_timeot = \"3s\"\n",
                             FB_FORMAT_TOML, hear, &heard) == FB_ECONFIG);
    EXPECT(heard.errors == 2 && strstr(heard.last, "open_timeout") != NULL);
    EXPECT(fb_policies_check("[breakers.a]\nminimum_requests = 1\n", FB_FORMAT_TOML, hear, &heard) == FB_OK);
    EXPECT(heard.warnings > 0);
    heard.errors = 0;
    EXPECT(fb_policies_check("\xff", FB_FORMAT_TOML, hear, &heard) == FB_ECONFIG && heard.errors == 1);
    EXPECT(fb_policies_check("a = \"\\u0000\"", FB_FORMAT_TOML, hear, &heard) == FB_ECONFIG);
    EXPECT(fb_policies_check("", FB_FORMAT_TOML, NULL, NULL) == FB_EINVAL);
    EXPECT(fb_policies_check("", 9, hear, &heard) == FB_EINVAL);
}

/* Texts of any kind: each has an answer, and every refusal says something. */
static void nonsense(void)
{
    static const char *const pieces[] = {"[breakers.a]", "\n", "window", " = ", "{", "}", "[", "]", "\"", "5", "\"3s\"", "-1",
                                         "1e999", "[rate_limits.b]", "rate", "\"9/s\"", "breakers", ": ", "  ", "- ", "&x", "*x",
                                         "\\", "\x01", "\xc3\xa9", "\xff", "board", "version", "null", ",", "[defaults.breakers]"};
#ifdef QUICK
    const int texts = 200;
#else
    const int texts = 20000;
#endif
    uint32_t state = 12345;
    int i;
    for (i = 0; i < texts; i++) {
        char text[512] = "";
        struct heard heard = {0, 0, ""};
        fb_breaker_config config;
        fb_error error;
        fb_status status;
        int piece, count = i % 24;
        for (piece = 0; piece < count; piece++) {
            state = state * 1664525u + 1013904223u;
            strcat(text, pieces[(state >> 16) % (sizeof pieces / sizeof *pieces)]);
        }
        status = fb_policies_check(text, i % 3, hear, &heard);
        EXPECT(status == FB_OK ? heard.errors == 0 : status == FB_ECONFIG && heard.errors > 0);
        status = fb_breaker_config_parse(&config, sizeof config, text, &error);
        EXPECT(status == FB_ECONFIG ? error.message[0] != 0 : status == FB_OK || status == FB_EINVAL);
    }
}

static void told(void *user, const fb_board_transition *change)
{
    fb_board_transition *last = user;
    *last = *change;
}

/* Named by the configuration, or given: the same handles, shared. */
static void on_a_board(void)
{
    static fb_latency_counts counts;
    fb_board *board = NULL;
    fb_policies *policies, *second;
    const fb_breaker *one = NULL, *other = NULL;
    fb_breaker *claimed = NULL;
    fb_breaker_config config;
    fb_board_cursor cursor = {{0, 0}}, end;
    fb_board_transition last;
    fb_admission admission = {sizeof admission, NULL, NULL, NULL, NULL};
    fb_policies *refused = NULL;
    fb_permit permit;
    fb_error error;
    uint64_t lost = 7;
    char path[64], text[256];

    EXPECT(fb_board_open_anonymous(&board, &error) == FB_OK);
    policies = policies_of("[breakers.payments]\nwindow = { consecutive = 2 }\n[rate_limits.api]\nrate = "
                           "\"1/s\"\n[concurrency.c]\nlimit = 1\n", board);
    second = policies_of("[breakers.payments]\nwindow = { consecutive = 2 }\nrecord_latency = true\n", board);
    EXPECT(fb_policies_breaker(policies, "payments", &one) == FB_OK);
    EXPECT(fb_policies_breaker(second, "payments", &other) == FB_OK && one != other);

    /* Who asks for latencies has them, and so have all; what somebody else asked for stays. */
    counts.struct_size = sizeof counts;
    EXPECT(fb_breaker_latency(one, &counts) == FB_OK);
    EXPECT(fb_breaker_config_parse(&config, sizeof config, "window=consecutive(2)", NULL) == FB_OK);
    config.jitter_seed = 99;
    EXPECT(fb_breaker_configure(one, &config, &error) == FB_OK);
    EXPECT(fb_breaker_read_config(one, &config, sizeof config) == FB_OK);
    EXPECT(config.record_latency == 1 && config.jitter_seed != 99);

    EXPECT(fb_board_transitions_end(board, &end) == FB_OK);
    EXPECT(fb_breaker_try_acquire(one, &permit, NULL) == FB_OK);
    EXPECT(fb_breaker_settle(one, &permit, FB_FAILURE) == FB_OK);
    admission.breaker = other;
    EXPECT(fb_admission_try_acquire(&admission, 1, &permit, NULL) == FB_OK);
    EXPECT(fb_admission_settle(&admission, &permit, FB_FAILURE) == FB_OK);
    EXPECT(fb_breaker_state(one) == FB_STATE_OPEN);
    EXPECT(fb_breaker_latency(one, &counts) == FB_OK);
    {
        uint64_t calls = 0;
        EXPECT(fb_latency_counts_totals(&counts, &calls, NULL) == FB_OK && calls == 2);
    }

    /* The board's log has it, whoever caused it: here an admission. */
    memset(&last, 0, sizeof last);
    EXPECT(fb_board_transitions(board, &cursor, told, &last, &lost) == FB_OK && lost == 0);
    EXPECT(strcmp(last.name, "payments") == 0 && last.transition.to == FB_STATE_OPEN);
    EXPECT(last.process == (uint64_t)getpid());
    memset(&last, 0, sizeof last);
    EXPECT(fb_board_transitions(board, &cursor, told, &last, NULL) == FB_OK && last.struct_size == 0);
    EXPECT(fb_board_transitions(board, &end, told, &last, NULL) == FB_OK && last.struct_size > 0);
    EXPECT(fb_board_transitions(board, &end, NULL, &last, NULL) == FB_EINVAL);
    EXPECT(fb_board_transitions(board, NULL, told, &last, NULL) == FB_EINVAL);

    /* A probe of an admission stays its parent's in a forked child, as any probe on a board does. */
    {
        fb_concurrency *places = NULL;
        fb_snapshot snapshot;
        uint32_t in_flight = 7;
        int status = -1;
        pid_t child;
        EXPECT(fb_concurrency_new(5, &places, NULL) == FB_OK);
        admission.concurrency = places;
        EXPECT(fb_breaker_force_open_until(one, 1) == FB_OK);
        EXPECT(fb_admission_try_acquire(&admission, 1, &permit, NULL) == FB_OK);
        child = fork();
        EXPECT(child >= 0);
        if (child == 0) _exit(fb_admission_cancel(&admission, &permit) == FB_STALE ? 0 : 1);
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        snapshot.struct_size = sizeof snapshot;
        EXPECT(fb_breaker_snapshot(one, &snapshot) == FB_OK);
        EXPECT(snapshot.state == FB_STATE_HALF_OPEN && snapshot.in_flight == 1);
        EXPECT(fb_concurrency_in_flight(places, &in_flight) == FB_OK && in_flight == 1);
        /* It is the breaker's own permit too. */
        EXPECT(fb_admission_cancel(&admission, &permit) == FB_OK);
        EXPECT(fb_concurrency_in_flight(places, &in_flight) == FB_OK && in_flight == 0);
        EXPECT(fb_breaker_snapshot(one, &snapshot) == FB_OK && snapshot.in_flight == 0);
        fb_concurrency_free(places);
    }

    EXPECT(fb_policies_from_text("[rate_limits.x]\nrate = \"3/s\"\nalgorithm = \"sliding_window\"\n",
                                 FB_FORMAT_TOML, board, &refused, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "algorithm") == 0 && refused == NULL);
    EXPECT(fb_policies_from_text("[breakers.payments]\nwindow = { count = 7 }\n", FB_FORMAT_TOML, board,
                                 &refused, &error) == FB_ECONFIG);
    EXPECT(strcmp(error.field, "window") == 0);
    fb_policies_free(policies);
    fb_policies_free(second);
    fb_board_close(board);

    snprintf(path, sizeof path, "/dev/shm/fuseboard-configured-%ld", (long)getpid());
    snprintf(text, sizeof text, "board = \"%s\"\n[breakers.payments]\n", path);
    policies = policies_of(text, NULL);
    EXPECT(fb_policies_breaker(policies, "payments", &one) == FB_OK);
    EXPECT(fb_breaker_force_open(one) == FB_OK);
    EXPECT(fb_board_open(path, FB_BOARD_EXISTING, &board, &error) == FB_OK);
    EXPECT(fb_board_breaker(board, "payments", &config, FB_WHEN_DIFFERENT_KEEP, &claimed, &error) == FB_OK);
    EXPECT(fb_breaker_state(claimed) == FB_STATE_FORCED_OPEN);
    fb_breaker_free(claimed);
    fb_policies_free(policies);
    fb_board_close(board);
    unlink(path);
}

static void files(void)
{
    char path[80];
    fb_policies *policies = NULL;
    fb_error error;
    FILE *file;

    snprintf(path, sizeof path, "/tmp/fuseboard-configured-%ld.toml", (long)getpid());
    file = fopen(path, "w");
    EXPECT(file != NULL && fputs(TEXT, file) >= 0 && fclose(file) == 0);
    EXPECT(fb_policies_from_path(path, NULL, &policies, &error) == FB_OK);
    used(policies);
    EXPECT(fb_policies_reload_path(policies, path, &error) == FB_OK);
    unlink(path);
    EXPECT(fb_policies_reload_path(policies, path, &error) == FB_ECONFIG);
    fb_policies_free(policies);
}

int main(void)
{
    reloaded();
    refused();
    checked();
    nonsense();
    on_a_board();
    files();
    puts("configured: ok");
    return 0;
}
