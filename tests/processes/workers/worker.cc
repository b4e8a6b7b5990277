// What a worker of C++ does with a board: the commands of src/worker.rs, with the same words and settings. Each says `ready`,
// waits for a line, does its work and prints what it found.
#include "fuseboard.hpp"

#include <atomic>
#include <csignal>
#include <deque>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>

namespace fb = fuseboard;

static void start()
{
    std::cout << "ready" << std::endl;
    std::string line;
    if (!std::getline(std::cin, line)) std::exit(1);
}

template <class T> static T need(fb::expected<T, fb::error> made)
{
    if (!made) {
        std::cerr << made.error().what() << std::endl;
        std::exit(1);
    }
    return *std::move(made);
}

/// How many of so many tries the one bucket of all admits: 50, and no more for an hour.
static void spend(const fb::board &board, std::uint64_t tries)
{
    const auto bucket = need(board.token_bucket("spend", fb::rate::per_hour(1), 50));
    start();
    std::uint64_t admitted = 0;
    for (; tries > 0; tries--) admitted += bucket.try_acquire().has_value();
    std::cout << admitted << std::endl;
}

/// Enters a room for two again and again; how often there were three.
static void enter(const fb::board &board, std::uint64_t tries)
{
    const auto room = need(board.concurrency("room", 2));
    start();
    std::uint64_t crowds = 0;
    for (; tries > 0; tries--)
        if (const auto place = room.try_acquire()) crowds += room.in_flight() > 2;
    std::cout << crowds << std::endl;
}

/// How many probes of a half-open breaker it was given; it reports none of them and dies with them.
static void probe(const fb::board &board, std::uint64_t tries)
{
    const auto breaker = need(board.breaker("probe", {}, fb::when_different::keep));
    start();
    std::vector<fb::permit> given;
    for (; tries > 0; tries--)
        if (auto permit = breaker.try_acquire()) given.push_back(*std::move(permit));
    std::cout << given.size() << std::endl;
    std::raise(SIGKILL);
}

/// As many operations as it is told, of five kinds in turn; prints how many of them succeeded, failed, were cancelled, got a
/// token and got a place.
static void mix(const fb::board &board, std::uint64_t operations)
{
    const auto config = fb::breaker_config().failure_threshold(1).minimum_requests(1000000);
    const auto breaker = need(board.breaker("mix", config));
    const auto bucket = need(board.token_bucket("mix", fb::rate::per_hour(1), 1000));
    const auto room = need(board.concurrency("mix", 4));
    start();
    std::uint64_t found[5] = {};
    for (std::uint64_t number = 0; number < operations; number++) {
        const auto kind = number % 5;
        if (kind == 3) found[3] += bucket.try_acquire().has_value();
        else if (kind == 4) found[4] += room.try_acquire().has_value();
        else {
            auto permit = breaker.try_acquire();
            found[kind] += kind == 0 ? permit->success() : kind == 1 ? permit->failure() : permit->cancel();
        }
    }
    std::cout << found[0] << ' ' << found[1] << ' ' << found[2] << ' ' << found[3] << ' ' << found[4] << std::endl;
}

static fb::breaker shared(const fb::board &board)
{
    const auto config = fb::breaker_config().minimum_requests(10).open_timeout(std::chrono::hours(1));
    return need(board.breaker("shared", config));
}

/// Trips the breaker that all share.
static void trip(const fb::board &board, std::uint64_t)
{
    const auto breaker = shared(board);
    start();
    while (auto permit = breaker.try_acquire()) permit->failure();
    std::cout << to_string(breaker.state()) << std::endl;
}

/// Says after how many admitted calls it is rejected because another process tripped the breaker.
static void look(const fb::board &board, std::uint64_t)
{
    const auto breaker = shared(board);
    start();
    std::uint64_t admitted = 0;
    while (breaker.try_call([] {})) admitted++;
    std::cout << admitted << std::endl;
}

/// What a victim says of itself, by the rules of this package's README.md.
struct scratch {
    std::atomic<std::uint64_t> doing, done, calls, failures, units, places, probes;

    static scratch &at(const char *path)
    {
        const int file = open(path, O_RDWR);
        void *words = file < 0 ? MAP_FAILED : mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (words == MAP_FAILED) std::exit(1);
        return *static_cast<scratch *>(words);
    }
};

/// Works until it is killed.
static void victim(const fb::board &board, scratch &said, std::uint64_t random)
{
    using std::chrono::milliseconds;
    const auto tripping =
        fb::breaker_config().minimum_requests(4).open_timeout(milliseconds(1)).probe_lease(milliseconds(20));
    const auto count = need(board.breaker("count", {}));
    const auto trip = need(board.breaker("trip", tripping));
    const auto bucket = need(board.token_bucket("bucket", fb::rate::per_minute(1), 9000000));
    const auto room = need(board.concurrency("places", 8));
    std::deque<decltype(room.try_acquire())> held;
    std::cout << "ready" << std::endl;
    for (;;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const bool rarely = (random >> 40 & 3) == 0;
        const auto kind = random >> 20 & 7;
        if (kind < 3) {
            said.doing = 1;
            if (auto permit = count.try_acquire()) {
                rarely ? permit->failure() : permit->success();
                said.calls++;
                said.failures += rarely;
            }
        } else if (kind < 5) {
            said.doing = 2;
            if (auto permit = trip.try_acquire()) rarely ? permit->success() : permit->failure();
        } else if (kind == 5) {
            said.doing = 4;
            said.units += bucket.try_acquire().has_value();
        } else if (kind == 6) {
            said.doing = 5;
            if (held.size() < 2)
                if (auto place = room.try_acquire()) {
                    held.push_back(std::move(place));
                    said.places++;
                }
        } else {
            said.doing = 6;
            if (!held.empty()) {
                said.places--;
                held.pop_front();
            }
        }
        said.done++;
        said.doing = 0;
    }
}

int main(int count, char **words)
{
    if (count > 4 && words[1] == std::string("victim")) {
        const auto board = need(fb::board::open(words[2]));
        victim(board, scratch::at(words[3]), std::stoull(words[4]));
    }
    static const std::map<std::string, void (*)(const fb::board &, std::uint64_t)> commands = {
        {"spend", spend}, {"enter", enter}, {"probe", probe}, {"mix", mix}, {"trip", trip}, {"look", look}};
    if (count < 3 || commands.count(words[1]) == 0) return 2;
    const auto board = need(fb::board::open(words[2]));
    commands.at(words[1])(board, count > 3 ? std::stoull(words[3]) : 0);
}
