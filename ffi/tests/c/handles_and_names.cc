// fuseboard.hpp: handles of single threads, policies of a configuration, and what can be read. With and without exceptions.
#include "fuseboard.hpp"
#include "expect.h"

#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
namespace fb = fuseboard;

static_assert(!std::is_copy_constructible_v<fb::handle> && std::is_nothrow_move_constructible_v<fb::handle>);
static_assert(std::is_copy_constructible_v<fb::borrowed<fb::breaker>>);

static fb::breaker of(const fb::breaker_config &config)
{
    auto made = fb::breaker::make(config);
    EXPECT(made.has_value());
    return *std::move(made);
}

static void handles()
{
    auto made = fb::breaker::make_with_handles(
        fb::breaker_config().minimum_requests(4000).failure_threshold(0.5).open_timeout(1h));
    EXPECT(made.has_value());
    const fb::breaker breaker = *std::move(made);
    std::vector<std::thread> workers;
    for (int worker = 0; worker < 4; worker++)
        workers.emplace_back([&breaker] {
            auto handle = breaker.handle();
            EXPECT(handle.has_value());
            for (int call = 0; call < 999; call++) EXPECT(handle->try_acquire()->success());
        });
    for (auto &worker : workers) worker.join();
    EXPECT(breaker.snapshot().calls == 3996 && breaker.snapshot().failures == 0);

    auto mine = breaker.handle();
    EXPECT(*mine->try_call([] { return 7; }) == 7);
    {
        auto forgotten = mine->try_acquire_at(1s);
        EXPECT(forgotten && !forgotten->is_probe());
    }
    EXPECT(breaker.snapshot().ignored == 1);
    auto heavy = mine->try_acquire();
    EXPECT(heavy->failure_weighted(1000) && !heavy->failure());
    for (int more = 0; more < 3; more++) EXPECT(mine->try_acquire()->failure_weighted(1000));
    EXPECT(breaker.state() == fb::state::open && mine->try_acquire().error().reason == FB_OPEN);
    EXPECT(!mine->try_call([] { return 7; }));
    fb::handle moved = *std::move(mine);
    EXPECT(moved.try_acquire().error().reason == FB_OPEN && mine->try_acquire().error().reason == FB_EINVAL);

    const fb::breaker plain = of({});
    EXPECT(plain.handle().error().reason == FB_EINVAL);
    EXPECT(!fb::breaker::make_with_handles(fb::breaker_config().half_open_requests(0)));

    std::uint32_t seen = 0;
    const auto changes = breaker.transitions(seen);
    EXPECT(changes.size() == 1 && changes[0].to == FB_STATE_OPEN && seen == 1);
    EXPECT(std::strcmp(fb::to_string(static_cast<fb_cause>(changes[0].cause)), "failure_rate") == 0);
    EXPECT(breaker.transitions(seen).empty());
}

static void settings()
{
    const auto config = fb::breaker_config().window(fb::window::count(50)).open_timeout(7s).record_latency(true);
    EXPECT(config.validate().has_value());
    const fb::breaker breaker = of(config);
    const auto read = breaker.config();
    EXPECT(read.native().window_calls == 50 && read.native().open_timeout_ns == 7000000000U);
    EXPECT(of(read).config().validate().has_value());
    fb::breaker copy = of(read);
    breaker.force_open_at(1s);
    EXPECT(copy.restore_at(breaker.save_at(1s), 0s, 1s) && copy.state() == fb::state::forced_open);
    breaker.reset_at(1s);
    EXPECT(std::strcmp(fb::breaker_config().open_backoff(0.5).validate().error().field(), "open_backoff") == 0);
    EXPECT(!fb::breaker_config().failure_threshold(-1).validate());

    EXPECT(breaker.latency() && breaker.latency()->calls() == 0 && !breaker.latency()->quantile(0.5));
    auto permit = breaker.try_acquire_at(1s);
    EXPECT(permit->settle_at(fb::outcome::success, 1s + 5ms));
    const auto first = *breaker.latency();
    EXPECT(first.calls() == 1 && first.quantile(0.5) >= 5ms && first.sum() > 4ms);
    EXPECT(breaker.latency()->since(first).calls() == 0 && first.native().short_calls == 0);
    EXPECT(!of({}).latency());
    auto histogram = fb::latency_histogram::make();
    histogram->record(3ms);
    EXPECT(histogram->read().calls() == 1);
}

static void limits()
{
    auto bucket = fb::token_bucket::make(fb::rate::per_second(100), 20);
    const auto rate = bucket->sustained();
    EXPECT(rate.units * 1000000000U == 100 * rate.per.count() && bucket->burst() == 20);
    auto lease = fb::token_lease::make(*bucket, 4, 1h);
    EXPECT(lease->try_acquire_at(1, 0s) && lease->left() == 3);
    EXPECT(bucket->acquire_up_to_at(100, 0s) == 16 && bucket->available_at(0s) == 0);
    bucket->reset();
    auto taken = bucket->reserve_at(5, 0s, 0s);
    EXPECT(bucket->cancel_at(*taken, 0s) && !bucket->cancel_at(*taken, 0s));
    bucket->drain_at(0s);
    EXPECT(bucket->available_at(0s) == 0);
    bucket->reset();
    const auto leaky = fb::leaky_bucket::make(fb::rate::per_second(1), 4);
    auto turn = leaky->reserve_at(1, 0s, 0s);
    EXPECT(leaky->cancel_at(*turn, 0s) && !leaky->cancel_at(*turn, 0s));
    const auto cold = fb::token_bucket::make_with_warm_up(fb::rate::per_second(10), 1, 10s);
    EXPECT(cold && cold->try_acquire_at(1, 0s) && !cold->try_acquire_at(1, 100ms));
    EXPECT(fb::sliding_counter::make(7, 1s)->limit() == 7 && fb::fixed_window::make(8, 1s)->limit() == 8);
    const auto keyed = fb::keyed::make(fb::rate::per_hour(1), 2, 64);
    EXPECT(keyed->capacity() == 64 && keyed->live() == 0 && keyed->available_at("a", 1s) == 2);
    EXPECT(keyed->try_acquire_at("a", 2, 1s) && keyed->live_at(1s) == 1);
    keyed->refund_at("a", 1, 1s);
    EXPECT(keyed->available_at("a", 1s) == 1 && keyed->live() <= 1);
    auto odd = fb::adaptive_config();
    EXPECT(fb::validate(odd).has_value());
    odd.algorithm = 9;
    EXPECT(std::strcmp(fb::validate(odd).error().field(), "algorithm") == 0);
    const auto adaptive = fb::adaptive::make();
    EXPECT(adaptive && !adaptive->baseline());
    EXPECT(adaptive->try_acquire_prioritized(0.5, 0) && adaptive->try_acquire_prioritized_at(1, 255, 1s));
    const auto throttle = fb::throttle::make(1);
    EXPECT(throttle->try_acquire_at(1s));
    throttle->refused_at(1s);
    EXPECT(throttle->try_acquire_at(1s));
    throttle->accepted_at(1s);
    EXPECT(throttle->rejection_share_at(1s) <= 0 && throttle->counts_at(1s) == std::make_pair(UINT64_C(2), UINT64_C(1)));
    EXPECT(throttle->rejection_share() <= 0 && throttle->counts().first <= 2);
    EXPECT(throttle->configure(1, 3, 120s, 10) && !throttle->configure(1, 3, 1s, 10));
    auto codel = fb::codel::make();
    EXPECT(!codel->is_shedding() && codel->configure(1ms, 10ms) && !codel->configure(0s, 10ms));
    EXPECT(fb::retry_budget::make()->configure(0.1, 1).has_value());
    const fb::breaker breaker = of({});
    const auto all = fb::admission(breaker).with(*bucket);
    EXPECT(all.try_acquire_at(1, 5s) && all.try_acquire_at(100, 5s).error().reason == FB_NEVER);
}

static void on_trial()
{
    const auto trial = fb::shadow::make();
    EXPECT(trial.has_value());
    const auto bucket = fb::token_bucket::make(fb::rate::per_hour(1), 1);
    trial->admit(bucket->try_acquire_at(1, 1s));
    trial->admit(bucket->try_acquire_at(1, 1s));
    EXPECT(trial->would_reject(FB_LIMITED) == 1 && trial->would_reject(FB_OPEN) == 0);
    const fb::breaker breaker = of({});
    EXPECT(trial->admit(breaker.try_acquire())->success());
    breaker.force_open();
    EXPECT(!trial->admit(breaker.try_acquire()) && trial->would_reject(FB_FORCED_OPEN) == 1);
}

static void configured()
{
#if defined(__linux__)
    const char text[] = "breakers:\n  payments:\n    window: { consecutive: 1 }\n"
                        "rate_limits:\n  api: { rate: 1/h }\n  exact: { rate: 2/h, algorithm: sliding_window }\n"
                        "concurrency:\n  reports: { limit: 1 }\n";
    const auto made = fb::policies::from_text(text, fb::format::yaml);
    EXPECT(made.has_value());
    const auto payments = made->breaker("payments"), again = made->breaker("payments");
    EXPECT(payments && (*payments)->native_handle() == (*again)->native_handle());
    const auto copy = *payments;
    EXPECT(copy->try_acquire()->failure() && (*again)->state() == fb::state::open);
    EXPECT((*made->token_bucket("api"))->try_acquire() && !(*made->token_bucket("api"))->try_acquire());
    EXPECT((*made->sliding_log("exact"))->available() == 2);
    EXPECT((*made->concurrency("reports"))->try_acquire());
    EXPECT(!made->breaker("nobody") && !made->token_bucket("exact") && !made->sliding_log("api"));
    EXPECT(made->reload_text("{\"breakers\": {\"payments\": {\"window\": {\"consecutive\": 1}}, \"new\": {}}}",
                             fb::format::json));
    EXPECT(made->breaker("new") && copy->state() == fb::state::open);
    EXPECT(!made->reload_path("/nowhere/fuseboard.toml") && !fb::policies::from_path("/nowhere/x.toml"));
    EXPECT(!fb::policies::from_text("[breakers", fb::format::toml));
    int errors = 0;
    EXPECT(!fb::policies::check("breakers: 5", fb::format::yaml,
                                [&errors](bool is_error, const char *) noexcept { errors += is_error; }));
    EXPECT(errors == 1);

    const auto board = fb::board::open_anonymous();
    auto cursor = board->transitions_end();
    const auto shared = fb::policies::from_text("breakers:\n  b: {}\n", fb::format::yaml, &*board);
    (*shared->breaker("b"))->force_open();
    int told = 0;
    const auto lost = board->transitions(cursor, [&told](const fb_board_transition &change) noexcept {
        told += std::strcmp(change.name, "b") == 0 && change.transition.to == FB_STATE_FORCED_OPEN;
    });
    EXPECT(told == 1 && lost == 0);
#endif
}

int main()
{
    handles();
    settings();
    limits();
    on_trial();
    configured();
    std::puts("handles_and_names: ok");
    return 0;
}
