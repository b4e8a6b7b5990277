/*
 * An HTTP client that stops asking a server that is down, and comes back by itself: a breaker around a blocking GET over sockets, a
 * retry budget for its retries, and a cached answer meanwhile. The server is a thread of this program, which is out of order for a while.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fuseboard.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile bool server_is_down;

static void *serve(void *argument)
{
    int listener = *(int *)argument;
    for (;;) {
        char request[512];
        int caller = accept(listener, NULL, NULL);
        if (caller < 0) return NULL;
        if (read(caller, request, sizeof request) > 0) {
            const char *answer = server_is_down ? "HTTP/1.0 503 Service Unavailable\r\n\r\n"
                                                : "HTTP/1.0 200 OK\r\n\r\nAda";
            (void)!write(caller, answer, strlen(answer));
        }
        close(caller);
    }
}

/* A blocking GET with a deadline; false when there is no answer, or one of 500 and above. */
static bool get(const struct sockaddr_in *server, char *body, size_t size)
{
    static const char request[] = "GET /name HTTP/1.0\r\n\r\n";
    const struct timeval deadline = {1, 0};
    char answer[512];
    size_t used = 0;
    ssize_t got;
    int status = 0;
    const char *text;
    int server_socket = socket(AF_INET, SOCK_STREAM, 0);

    if (server_socket < 0) return false;
    setsockopt(server_socket, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    if (connect(server_socket, (const struct sockaddr *)server, sizeof *server) == 0 &&
        write(server_socket, request, sizeof request - 1) > 0)
        while (used < sizeof answer - 1 && (got = read(server_socket, answer + used, sizeof answer - 1 - used)) > 0)
            used += (size_t)got;
    close(server_socket);
    answer[used] = 0;
    text = strstr(answer, "\r\n\r\n");
    if (sscanf(answer, "HTTP/%*s %d", &status) != 1 || status >= 500 || text == NULL) return false;
    snprintf(body, size, "%s", text + 4);
    return true;
}

/* What the program knows of the server. */
struct client {
    struct sockaddr_in server;
    fb_breaker *breaker;
    fb_retry_budget *retries;
    char cached[64];
};

/* One request of the user's: tried, tried again if the budget allows it, and answered from the cache if nothing helps. */
static void request(struct client *client, int number)
{
    char body[64];
    uint64_t wait;
    fb_permit permit;

    fb_retry_budget_deposit(client->retries);
    do {
        fb_status status = fb_breaker_try_acquire(client->breaker, &permit, &wait);
        if (status != FB_OK) {
            printf("%d: %s (cached; %s)\n", number, client->cached, fb_status_string(status));
            return;
        }
        if (get(&client->server, body, sizeof body)) {
            fb_breaker_settle(client->breaker, &permit, FB_SUCCESS);
            memcpy(client->cached, body, sizeof body);
            printf("%d: %s\n", number, body);
            return;
        }
        fb_breaker_settle(client->breaker, &permit, FB_FAILURE);
    } while (fb_retry_budget_withdraw(client->retries, NULL) == FB_OK);
    printf("%d: %s (cached)\n", number, client->cached);
}

int main(void)
{
    const struct timespec pause = {0, 250 * 1000000};
    struct client client = {.cached = "nobody"};
    socklen_t length = sizeof client.server;
    fb_breaker_config config;
    fb_error error;
    pthread_t thread;
    int number, listener = socket(AF_INET, SOCK_STREAM, 0);

    client.server.sin_family = AF_INET;
    client.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&client.server, sizeof client.server) != 0 ||
        listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&client.server, &length) != 0 ||
        pthread_create(&thread, NULL, serve, &listener) != 0) {
        perror("server");
        return 1;
    }
    if (fb_breaker_config_parse(&config, sizeof config, "window=count(4) minimum_requests=4 open_timeout=200ms", &error) !=
            FB_OK ||
        fb_breaker_new(&config, &client.breaker, &error) != FB_OK ||
        fb_retry_budget_new(200000, 0, UINT64_C(10000000000), &client.retries, &error) != FB_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (number = 1; number <= 5; number++) request(&client, number);
    server_is_down = true;
    puts("-- the server breaks");
    for (; number <= 9; number++) request(&client, number);
    server_is_down = false;
    puts("-- it is well again, and the breaker's time is over");
    nanosleep(&pause, NULL);
    for (; number <= 13; number++) request(&client, number);

    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    fb_breaker_free(client.breaker);
    fb_retry_budget_free(client.retries);
    return 0;
}
