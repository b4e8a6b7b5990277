// What a worker of C++ does with a board: the commands of src/worker.rs, with the same words and settings. Each says `ready`,
// waits for a line, does its work and prints what it found.
#include "fuseboard.hpp"

#include <csignal>
#include <iostream>
#include <map>
#include <string>
#include <vector>

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

int main(int count, char **words)
{
    static const std::map<std::string, void (*)(const fb::board &, std::uint64_t)> commands = {
        {"spend", spend}, {"enter", enter}, {"probe", probe}, {"mix", mix}, {"trip", trip}, {"look", look}};
    if (count < 3 || commands.count(words[1]) == 0) return 2;
    const auto board = need(fb::board::open(words[2]));
    commands.at(words[1])(board, count > 3 ? std::stoull(words[3]) : 0);
}
