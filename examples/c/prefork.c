/*
 * A server that forks its workers before it accepts, as nginx does, and lets them share a board: what one worker learns of a backend that is
 * down, all know with their next request, and together they keep to one rate. A worker that is killed leaves nothing behind.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fuseboard.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, REQUESTS = 40 };

/* Made before the fork, used after it by every worker. */
static fb_breaker *backend;
static fb_token_bucket *rate;
static fb_concurrency *places;

/* A backend that is always down. */
static bool ask_the_backend(void)
{
    return false;
}

static const char *answer(void)
{
    fb_permit permit;
    const char *said = "backend failed";

    if (fb_token_bucket_try_acquire(rate, 1, NULL) != FB_OK) return "429";
    if (fb_concurrency_try_acquire(places) != FB_OK) return "busy";
    if (fb_breaker_try_acquire(backend, &permit, NULL) != FB_OK) {
        said = "backend spared";
    } else {
        fb_breaker_settle(backend, &permit, ask_the_backend() ? FB_SUCCESS : FB_FAILURE);
    }
    fb_concurrency_release(places);
    return said;
}

static void work(int listener)
{
    for (;;) {
        const char *text;
        int caller = accept(listener, NULL, NULL);
        if (caller < 0) continue;
        text = answer();
        (void)!write(caller, text, strlen(text));
        close(caller);
    }
}

/* What a user sees. */
static void ask(const struct sockaddr_in *server, char *text, size_t size)
{
    ssize_t got = -1;
    int to = socket(AF_INET, SOCK_STREAM, 0);
    if (to >= 0 && connect(to, (const struct sockaddr *)server, sizeof *server) == 0) got = read(to, text, size - 1);
    text[got < 0 ? 0 : got] = 0;
    if (to >= 0) close(to);
}

int main(void)
{
    struct sockaddr_in server = {0};
    socklen_t length = sizeof server;
    int failed = 0, spared = 0, limited = 0, number, listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t workers[WORKERS];
    fb_board *board;
    fb_breaker_config config;
    fb_error error;
    uint32_t in_flight;

    if (fb_board_open_anonymous(&board, &error) != FB_OK ||
        fb_breaker_config_parse(&config, sizeof config, "window=count(10) minimum_requests=10 open_timeout=1h", &error) !=
            FB_OK ||
        fb_board_breaker(board, "backend", &config, FB_WHEN_DIFFERENT_REFUSE, &backend, &error) != FB_OK ||
        fb_board_token_bucket(board, "all", 1, UINT64_C(3600000000000), 30, FB_WHEN_DIFFERENT_REFUSE, &rate, &error) !=
            FB_OK ||
        fb_board_concurrency(board, "backend", WORKERS, FB_WHEN_DIFFERENT_REFUSE, &places, &error) != FB_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&server, sizeof server) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&server, &length) != 0) {
        perror("listen");
        return 1;
    }
    for (number = 0; number < WORKERS; number++) {
        workers[number] = fork();
        if (workers[number] < 0) return 1;
        if (workers[number] == 0) work(listener);
    }
    for (number = 0; number < REQUESTS; number++) {
        char text[32];
        ask(&server, text, sizeof text);
        failed += strcmp(text, "backend failed") == 0;
        spared += strcmp(text, "backend spared") == 0;
        limited += strcmp(text, "429") == 0;
    }
    /* However the workers end, what they held comes back. */
    for (number = 0; number < WORKERS; number++) {
        kill(workers[number], SIGKILL);
        waitpid(workers[number], NULL, 0);
    }
    fb_concurrency_in_flight(places, &in_flight);
    printf("%d requests by %d workers: %d reached the backend, which then was spared %d times; %d were over the rate\n",
           REQUESTS, WORKERS, failed, spared, limited);
    printf("the breaker is %s, and %u places are taken\n", fb_state_string(fb_breaker_state(backend)), (unsigned)in_flight);
    fb_breaker_free(backend);
    fb_token_bucket_free(rate);
    fb_concurrency_free(places);
    fb_board_close(board);
    close(listener);
    return 0;
}
