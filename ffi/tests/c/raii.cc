// fuseboard.hpp: what owns, what settles, what is thrown. Compiled with and without exceptions.
#include "fuseboard.hpp"
#include "expect.h"

#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
namespace fb = fuseboard;

static_assert(!std::is_copy_constructible_v<fb::breaker> && !std::is_copy_constructible_v<fb::permit>);
static_assert(std::is_nothrow_move_constructible_v<fb::permit>);
static_assert(std::is_nothrow_move_assignable_v<fb::breaker>);

static fb::breaker of(const char *text)
{
    auto config = fb::breaker_config::parse(text);
    EXPECT(config.has_value());
    auto made = fb::breaker::make(*config);
    EXPECT(made.has_value());
    return *std::move(made);
}

static void permits()
{
    const fb::breaker breaker = of("window=count(4) minimum_requests=4");
    {
        auto permit = breaker.try_acquire_at(1s);
        EXPECT(permit && permit->settle_at(fb::outcome::success, 1s));
        EXPECT(!permit->success());
        EXPECT(!permit->cancel());
        auto moved = breaker.try_acquire_at(1s);
        fb::permit other = *std::move(moved);
        EXPECT(!moved->failure());
        auto replaced = breaker.try_acquire_at(1s);
        *replaced = std::move(other);
        EXPECT(replaced->failure_weighted_at(2, 1s));
        auto forgotten = breaker.try_acquire_at(1s);
        EXPECT(forgotten.has_value());
    }
    const fb_snapshot seen = breaker.snapshot_at(1s);
    EXPECT(seen.calls == 3 && seen.failures == 2 && seen.ignored == 2);
    EXPECT(breaker.state() == fb::state::closed);
    EXPECT(std::strcmp(to_string(fb::state::half_open), "half_open") == 0);
}

static void verbs()
{
    fb::breaker breaker = of("window=consecutive(1) open_timeout=30s");
    breaker.force_open_until_at(5s, 1s);
    EXPECT(breaker.state() == fb::state::forced_open);
    auto refused = breaker.try_acquire_at(2s);
    EXPECT(!refused && refused.error().reason == FB_FORCED_OPEN);
    EXPECT(refused.error().retry_after() == 3s);
    breaker.force_open_at(2s);
    EXPECT(!breaker.check() && !breaker.try_acquire_at(2s).error().retry_after());
    breaker.disable_at(2s);
    EXPECT(breaker.check().has_value() && breaker.state() == fb::state::disabled);
    breaker.metrics_only();
    EXPECT(breaker.state() == fb::state::metrics_only);
    breaker.reset_at(3s);
    EXPECT(breaker.state() == fb::state::closed);
    auto changed = breaker.configure(fb::breaker_config().window(fb::window::count(5)));
    EXPECT(!changed && std::strcmp(changed.error().field(), "window") == 0);
    fb::breaker copy = of("window=consecutive(1)");
    breaker.force_open();
    EXPECT(copy.restore(breaker.save()) && copy.state() == fb::state::forced_open);
    EXPECT(!copy.restore("") && !copy.restore("no breaker"));
    breaker.reset();
    fb::breaker other = std::move(breaker);
    EXPECT(breaker.native_handle() == nullptr && breaker.try_acquire().error().reason == FB_EINVAL);
    breaker = std::move(other);
    EXPECT(breaker.try_acquire().has_value());
}

static void settings()
{
    const auto config = fb::breaker_config()
                            .failure_threshold(0.25)
                            .minimum_requests(5)
                            .open_timeout(1500ms)
                            .window(fb::window::time(5s, 5))
                            .slow_call_duration(200ms)
                            .slow_call_threshold(0.75)
                            .count_overdue(true)
                            .half_open_requests(4)
                            .half_open_successes(2)
                            .half_open_failures(1)
                            .probe_lease(1min)
                            .open_backoff(2)
                            .open_timeout_max(1h)
                            .open_jitter(0.1)
                            .jitter_seed(7)
                            .ramp_up(30s);
    const auto parsed = fb::breaker_config::parse(
        "failure_threshold=0.25 minimum_requests=5 open_timeout=1500ms window=time(5s,5) "
        "slow_call_duration=200ms slow_call_threshold=0.75 count_overdue=true half_open_requests=4 "
        "half_open_successes=2 half_open_failures=1 probe_lease=1m open_backoff=2 "
        "open_timeout_max=1h open_jitter=0.1 jitter_seed=7 ramp_up=30s");
    EXPECT(parsed && std::memcmp(&parsed->native(), &config.native(), sizeof config.native()) == 0);
    EXPECT(fb::breaker::make(config).has_value());
    for (const auto &bad : {fb::breaker_config().failure_threshold(-0.5),
                            fb::breaker_config().failure_threshold(1.5),
                            fb::breaker_config().failure_threshold(1e300)}) {
        const auto made = fb::breaker::make(bad);
        EXPECT(!made && std::strcmp(made.error().field(), "failure_threshold") == 0);
        EXPECT(made.error().status() == FB_ECONFIG);
        EXPECT(std::strstr(made.error().what(), "failure_threshold") != nullptr);
    }
    EXPECT(!fb::breaker::make(fb::breaker_config().open_timeout(-1s)));
    const auto zero = fb::breaker::make(fb::breaker_config().half_open_successes(0).ramp_up(1s));
    EXPECT(!zero && std::strcmp(zero.error().what(), "half_open_successes is 0; allowed: at least 1; "
                                                     "leave it out for the default") == 0);
    EXPECT(!fb::breaker_config::parse("open_timeout=30"));
}

static void calls()
{
    const fb::breaker breaker = of("window=consecutive(2) open_timeout=1h");
    auto seven = breaker.try_call([] { return 7; });
    EXPECT(seven && *seven == 7);
    EXPECT(breaker.try_call([] {}).has_value());
    EXPECT(*breaker.try_call([] { return -1; },
                             [](int code) {
                                 return code < 0 ? fb::outcome::failure : fb::outcome::success;
                             }) == -1);
    const auto fails = [] {
        return fb::expected<int, int>(fb::unexpected<int>(5));
    };
    EXPECT(!*breaker.try_call(fails));
    EXPECT(breaker.state() == fb::state::open);
    const auto refused = breaker.try_call([] { return 7; });
    EXPECT(!refused && refused.error().reason == FB_OPEN && refused.error().retry_after() > 59min);
    EXPECT(std::strcmp(refused.error().what(), "the circuit breaker is open") == 0);
}

static void listener()
{
    int changes = 0;
    auto count = [&changes](const fb_transition &change) noexcept {
        changes += change.to == FB_STATE_OPEN;
    };
    const fb::breaker breaker = of("window=consecutive(1)");
    EXPECT(breaker.on_transition(count) && !breaker.on_transition(count));
    auto permit = breaker.try_acquire();
    EXPECT(permit->failure() && changes == 1);
}

static void limiters()
{
    auto bucket = fb::token_bucket::make(fb::rate::per_second(1), 2);
    EXPECT(bucket && bucket->try_acquire_at(1, 0s) && bucket->available_at(0s) == 1);
    EXPECT(bucket->try_acquire_at(2, 0s).error().retry_after() == 1s);
    auto later = bucket->reserve_at(2, 1h, 0s);
    EXPECT(later && later->wait() == 1s && bucket->cancel(*later) && !bucket->cancel(*later));
    EXPECT(!bucket->reserve_at(2, 0s, 0s) && bucket->acquire_up_to(5) >= 1);
    EXPECT(bucket->configure(fb::rate::per_hour(1), 1).has_value());
    bucket->refund(1);
    bucket->drain();
    bucket->reset();
    EXPECT(bucket->available() == 1);

    {
        const auto shared = fb::token_bucket::make(fb::rate::per_hour(1), 10);
        {
            auto lease = fb::token_lease::make(*shared, 4, 1h);
            EXPECT(lease && lease->try_acquire() && shared->available() == 6);
            auto moved = *std::move(lease);
            EXPECT(moved.try_acquire() && shared->available() == 6);
        }
        EXPECT(shared->available() == 8);
    }

    auto log = fb::sliding_log::make(1, 1s);
    EXPECT(log && log->try_acquire() && log->available() == 0);
    auto counter = fb::sliding_counter::make(2, 1h);
    EXPECT(counter && counter->try_acquire(2));
    counter->refund(1);
    EXPECT(counter->available() >= 1 && counter->set_limit(5));
    auto window = fb::fixed_window::make(2, 1h);
    EXPECT(window && window->try_acquire_at(2, 0s) && !window->try_acquire_at(1, 1s));
    auto leaky = fb::leaky_bucket::make(fb::rate::per_second(1), 1);
    EXPECT(leaky && leaky->reserve_at(1, 1h, 0s)->wait() == 0s);
    EXPECT(leaky->reserve_at(1, 1h, 0s)->wait() == 1s && !leaky->try_acquire_at(1, 0s));
    EXPECT(leaky->configure(fb::rate::per_minute(1), 4));

    auto keyed = fb::keyed::make(fb::rate::per_hour(1), 1, 64);
    EXPECT(keyed && keyed->try_acquire("alice") && !keyed->try_acquire("alice"));
    EXPECT(keyed->try_acquire("bob") && keyed->try_acquire("") && keyed->available("carol") == 1);
    keyed->refund("alice", 1);
    EXPECT(keyed->available("alice") == 1 && keyed->overflows() == 0);

    auto budget = fb::retry_budget::make(0.5, 0);
    budget->deposit_at(0s);
    budget->deposit_at(0s);
    EXPECT(budget->withdraw_at(0s) && !budget->withdraw_at(0s) && budget->available_at(0s) == 0);
    auto throttle = fb::throttle::make(1);
    EXPECT(throttle && throttle->try_acquire());
    throttle->accepted();
    throttle->refused();
    auto codel = fb::codel::make();
    EXPECT(codel && codel->try_serve(std::chrono::steady_clock::now()));
    auto latencies = fb::latency_histogram::make();
    EXPECT(latencies && !latencies->quantile(0.5));
    latencies->record(5ms);
    EXPECT(latencies->calls() == 1 && latencies->quantile(0.5) >= 5ms && latencies->quantile(0.5) < 6ms);
    EXPECT(!fb::codel::make(0s) && !fb::keyed::make(fb::rate::per_hour(1), 1, 0));
}

static void places()
{
    auto limit = fb::concurrency::make(1);
    {
        auto one = limit->try_acquire();
        EXPECT(one && limit->in_flight() == 1 && limit->limit() == 1);
        EXPECT(limit->try_acquire().error().reason == FB_FULL);
        fb::place moved = *std::move(one);
        EXPECT(!one->release() && limit->in_flight() == 1);
        EXPECT(moved.release() && !moved.release());
        auto again = limit->try_acquire_prioritized(1, 0);
        EXPECT(again.has_value() && !limit->try_acquire_prioritized(2, 0));
    }
    EXPECT(limit->in_flight() == 0 && limit->set_limit(3));

    auto adaptive = fb::adaptive::make();
    {
        auto place = adaptive->try_acquire();
        EXPECT(place && adaptive->in_flight() == 1 && adaptive->limit() == 20);
        EXPECT(place->success() && !place->success());
        auto forgotten = adaptive->try_acquire_at(1s);
        EXPECT(forgotten.has_value());
    }
    EXPECT(adaptive->in_flight() == 0);

    const fb::breaker breaker = of("");
    const auto bucket = fb::token_bucket::make(fb::rate::per_hour(1), 1);
    const auto all = fb::admission(breaker).with(*limit).with(*bucket);
    {
        auto permit = all.try_acquire();
        EXPECT(permit && limit->in_flight() == 1);
        EXPECT(all.try_acquire().error().reason == FB_LIMITED && limit->in_flight() == 1);
    }
    EXPECT(limit->in_flight() == 0 && breaker.snapshot().ignored == 1);
    const auto both = fb::admission(breaker).with(*limit).with(*adaptive);
    EXPECT(*both.try_call([&] { return adaptive->in_flight(); }) == 1 && limit->in_flight() == 0);
}

static void boards()
{
#if defined(__linux__)
    auto board = fb::board::open_anonymous();
    EXPECT(board && board->is_shared() && !fb::board::open_private()->is_shared());
    EXPECT(fb::board::open("/nowhere/board").error().status() == FB_ESYSTEM);
    auto breaker = board->breaker("b", fb::breaker_config().window(fb::window::consecutive(1)));
    auto again = board->breaker("b", {}, fb::when_different::keep);
    EXPECT(board->breaker("b").error().status() == FB_EDIFFERS);
    auto bucket = board->token_bucket("t", fb::rate::per_hour(1), 1);
    auto limit = board->concurrency("c", 1);
    { const fb::board closed = *std::move(board); }
    EXPECT(breaker->try_acquire()->failure() && again->state() == fb::state::open);
    EXPECT(bucket->try_acquire() && !bucket->try_acquire());
    EXPECT(limit->try_acquire().has_value());
    EXPECT(limit->in_flight() == 0);
#endif
}

static void threads()
{
    const fb::breaker breaker = of("failure_threshold=1 minimum_requests=1000000");
    std::vector<std::thread> workers;
    for (int worker = 0; worker < 4; worker++)
        workers.emplace_back([&breaker] {
            for (int call = 0; call < 1000; call++) {
                auto permit = breaker.try_acquire();
                if (call % 2 == 0) permit->success();
                else permit->failure();
            }
        });
    for (auto &worker : workers) worker.join();
    const fb_snapshot seen = breaker.snapshot();
    EXPECT(seen.calls == 4000 && seen.failures == 2000);
}

#if defined(FUSEBOARD_HAS_EXCEPTIONS)
static void exceptions()
{
    fb::breaker breaker(fb::breaker_config().window(fb::window::consecutive(1)));
    // One that passes is a failure, one that was there before is none.
    struct at_the_end {
        const fb::breaker &breaker;
        ~at_the_end() { auto permit = breaker.try_acquire(); }
    };
    try {
        const at_the_end last{breaker};
        throw 1;
    } catch (int) {
    }
    EXPECT(breaker.state() == fb::state::closed && breaker.snapshot().ignored == 1);
    try {
        breaker.call([]() -> int { throw 1; });
        EXPECT(false);
    } catch (int) {
    }
    EXPECT(breaker.state() == fb::state::open);
    try {
        breaker.call([] {});
        EXPECT(false);
    } catch (const fb::rejected_error &why) {
        EXPECT(why.reason() == FB_OPEN && why.retry_after() <= 30s);
        EXPECT(std::strcmp(why.what(), "the circuit breaker is open") == 0);
    }
    breaker.reset();
    EXPECT(breaker.call([] { return 7; }) == 7);
    breaker.call([] {});
    try {
        fb::breaker bad(fb::breaker_config().half_open_requests(0));
        EXPECT(false);
    } catch (const fb::refused_error &refused) {
        EXPECT(std::strcmp(refused.why().field(), "half_open_requests") == 0);
    }
    const fb::token_bucket bucket(fb::rate::per_second(1), 1);
    const fb::sliding_log log(1, 1s);
    const fb::sliding_counter counter(1, 1s);
    const fb::fixed_window window(1, 1s);
    const fb::leaky_bucket leaky(fb::rate::per_second(1), 1);
    const fb::keyed keyed(fb::rate::per_second(1), 1, 8, fb::when_full::admit);
    const fb::concurrency limit(1);
    const fb::adaptive adaptive;
    const fb::retry_budget budget;
    const fb::throttle throttle(1);
    const fb::codel codel;
    EXPECT(bucket.try_acquire() && leaky.try_acquire() && keyed.try_acquire("a"));
}
#endif

int main()
{
    permits();
    verbs();
    settings();
    calls();
    listener();
    limiters();
    places();
    boards();
    threads();
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    exceptions();
#endif
    std::puts("raii: ok");
    return 0;
}
