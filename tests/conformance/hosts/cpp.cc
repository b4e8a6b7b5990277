// Answers for the C++ types, a line for each line; see tests/conformance/README.md.
#include "fuseboard.hpp"

#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <variant>
#include <vector>

namespace fb = fuseboard;

using settings = std::map<std::string, std::string>;
using policy = std::variant<fb::breaker, fb::token_bucket, fb::sliding_log, fb::sliding_counter, fb::fixed_window,
                            fb::leaky_bucket, fb::concurrency>;

template <class... Fs> struct overloaded : Fs... {
    using Fs::operator()...;
};
template <class... Fs> overloaded(Fs...) -> overloaded<Fs...>;

static std::uint64_t number(const std::string &word)
{
    return std::strtoull(word.c_str(), nullptr, 10);
}

static std::uint32_t narrow(const std::string &word)
{
    return static_cast<std::uint32_t>(number(word));
}

static fb::nanos span(const std::string &word)
{
    return fb::nanos(number(word));
}

static std::vector<std::string> parts(const std::string &text, char between)
{
    std::vector<std::string> found;
    std::istringstream rest(text);
    for (std::string part; std::getline(rest, part, between);) found.push_back(part);
    return found;
}

static fb::breaker_config breaker_config(const settings &given)
{
    fb::breaker_config config;
    for (const auto &[key, value] : given) {
        const double share = std::strtod(value.c_str(), nullptr);
        if (key == "failure_threshold") config.failure_threshold(share);
        else if (key == "slow_call_threshold") config.slow_call_threshold(share);
        else if (key == "open_backoff") config.open_backoff(share);
        else if (key == "open_jitter") config.open_jitter(share);
        else if (key == "minimum_requests") config.minimum_requests(number(value));
        else if (key == "half_open_requests") config.half_open_requests(narrow(value));
        else if (key == "half_open_successes") config.half_open_successes(narrow(value));
        else if (key == "half_open_failures") config.half_open_failures(narrow(value));
        else if (key == "open_timeout") config.open_timeout(span(value));
        else if (key == "open_timeout_max") config.open_timeout_max(span(value));
        else if (key == "slow_call_duration") config.slow_call_duration(span(value));
        else if (key == "probe_lease") config.probe_lease(span(value));
        else if (key == "ramp_up") config.ramp_up(span(value));
        else if (key == "count_overdue") config.count_overdue(value == "1");
        else if (key == "window") {
            const auto words = parts(value, ':');
            if (words[0] == "time") config.window(fb::window::time(span(words[1]), narrow(words[2])));
            else if (words[0] == "decay") config.window(fb::window::decay(span(words[1])));
            else if (words[0] == "count") config.window(fb::window::count(narrow(words[1])));
            else config.window(fb::window::consecutive(narrow(words[1])));
        }
    }
    return config;
}

static fb::rate rate(const std::string &text)
{
    const auto words = parts(text, ':');
    return {number(words[0]), span(words[1])};
}

template <class T> static std::string made(const fb::expected<T, fb::error> &result)
{
    if (result) return "ok";
    return std::string("refused ") + result.error().field() + " " + result.error().what();
}

static std::string admission(bool admitted, std::uint64_t wait, const fb::rejected *why)
{
    static const char *const reasons[] = {"",        "open",    "half_open_full", "forced_open",
                                          "ramping", "limited", "full",           "never"};
    if (admitted) return "admitted " + std::to_string(wait);
    if (why->reason < FB_OPEN || why->reason > FB_NEVER) return std::string("unanswered ") + why->what();
    const auto after = why->retry_after_ns == FB_RETRY_UNKNOWN ? "-" : std::to_string(why->retry_after_ns);
    return std::string("rejected ") + reasons[why->reason] + " " + after;
}

template <class T> static std::string admission(const fb::expected<T, fb::rejected> &result)
{
    return admission(result.has_value(), 0, result ? nullptr : &result.error());
}

/// The last number means that nobody knows, so the one before it means "as long, or longer": `is_longer` looks there.
template <class T, class Look>
static std::string exact(const fb::expected<T, fb::rejected> &result, fb::nanos now, Look is_longer)
{
    const std::uint64_t most = FB_RETRY_UNKNOWN - 1;
    std::string said = admission(result);
    if (result || result.error().retry_after_ns != most) return said;
    const auto later = now.count() > UINT64_MAX - most ? UINT64_MAX : now.count() + most;
    if (is_longer(fb::nanos(later))) said.back()++;
    return said;
}

static const char unsupported[] = "unanswered unsupported";

class host {
public:
    std::string answer(const std::vector<std::string> &words)
    {
        const auto &verb = words[0], &name = words[2];
        const fb::nanos now = span(words[1]);
        const std::vector<std::string> rest(words.begin() + 3, words.end());
        if (verb == "declare") return declare(name, rest);
        const auto found = policies_.find(name);
        if (found == policies_.end()) return "unanswered nothing has this name";
        policy &of = found->second;
        if (verb == "configure") return configure(of, pairs(rest));
        if (verb == "acquire_permit") return acquire_permit(of, number(rest[0]), now);
        if (verb == "settle") return settle(number(rest[0]), rest[1], narrow(rest[2]), now);
        if (verb == "acquire") return acquire(of, number(rest[0]), now);
        if (verb == "reserve") return reserve(of, number(rest[0]), rest[1], now);
        if (verb == "refund") return refund(of, number(rest[0]), now);
        if (verb == "available") return available(of, now);
        if (verb == "in_flight") return in_flight(of, now);
        const auto *breaker = std::get_if<fb::breaker>(&of);
        if (breaker == nullptr) return unsupported;
        if (verb == "state") return to_string(breaker->state());
        return control(*breaker, rest, now);
    }

private:
    static settings pairs(const std::vector<std::string> &words)
    {
        settings found;
        for (const auto &word : words)
            if (const auto at = word.find('='); at != word.npos) found[word.substr(0, at)] = word.substr(at + 1);
        return found;
    }

    template <class T> std::string keep(const std::string &name, fb::expected<T, fb::error> result)
    {
        const auto said = made(result);
        if (result) policies_.insert_or_assign(name, policy(*std::move(result)));
        return said;
    }

    std::string declare(const std::string &name, const std::vector<std::string> &words)
    {
        auto given = pairs(words);
        const auto &kind = words[0];
        if (kind == "breaker") return keep(name, fb::breaker::make(breaker_config(given)));
        if (kind == "token_bucket")
            return keep(name, fb::token_bucket::make(rate(given["rate"]), number(given["burst"])));
        if (kind == "leaky_bucket")
            return keep(name, fb::leaky_bucket::make(rate(given["rate"]), number(given["queue"])));
        if (kind == "concurrency") return keep(name, fb::concurrency::make(narrow(given["limit"])));
        const auto window = span(given["window"]);
        if (kind == "sliding_log") return keep(name, fb::sliding_log::make(narrow(given["limit"]), window));
        if (kind == "sliding_counter") return keep(name, fb::sliding_counter::make(narrow(given["limit"]), window));
        if (kind == "fixed_window") return keep(name, fb::fixed_window::make(number(given["limit"]), window));
        return unsupported;
    }

    static std::string configure(policy &of, settings given)
    {
        return std::visit(
            overloaded{
                [&](fb::breaker &it) { return made(it.configure(breaker_config(given))); },
                [&](fb::token_bucket &it) {
                    return made(it.configure(rate(given["rate"]), number(given["burst"])));
                },
                [&](fb::leaky_bucket &it) {
                    return made(it.configure(rate(given["rate"]), number(given["queue"])));
                },
                [&](fb::fixed_window &it) { return made(it.set_limit(number(given["limit"]))); },
                [&](fb::sliding_log &) { return std::string(unsupported); },
                [&](auto &it) { return made(it.set_limit(narrow(given["limit"]))); },
            },
            of);
    }

    std::string acquire_permit(policy &of, std::uint64_t id, fb::nanos now)
    {
        if (const auto *breaker = std::get_if<fb::breaker>(&of)) {
            auto result = breaker->try_acquire_at(now);
            const auto said =
                exact(result, now, [&](fb::nanos later) { return !breaker->check_at(later).has_value(); });
            if (result) permits_.insert_or_assign(id, *std::move(result));
            return said;
        }
        if (const auto *limit = std::get_if<fb::concurrency>(&of)) {
            auto result = limit->try_acquire();
            const auto said = admission(result);
            if (result) places_.insert_or_assign(id, *std::move(result));
            return said;
        }
        return unsupported;
    }

    std::string settle(std::uint64_t id, const std::string &how, std::uint32_t weight, fb::nanos now)
    {
        bool changed = false;
        if (const auto place = places_.find(id); place != places_.end()) changed = place->second.release();
        else if (const auto permit = permits_.find(id); permit != permits_.end()) {
            if (how == "success") changed = permit->second.settle_at(fb::outcome::success, now);
            else if (how == "failure") changed = permit->second.failure_weighted_at(weight, now);
            else if (how == "ignore") changed = permit->second.settle_at(fb::outcome::ignored, now);
            else changed = permit->second.cancel();
        }
        return changed ? "recorded" : "stale";
    }

    static std::string control(const fb::breaker &breaker, const std::vector<std::string> &words, fb::nanos now)
    {
        if (words[0] == "force_open" && words.size() > 1) breaker.force_open_until_at(span(words[1]), now);
        else if (words[0] == "force_open") breaker.force_open_at(now);
        else if (words[0] == "disable") breaker.disable_at(now);
        else if (words[0] == "metrics_only") breaker.metrics_only_at(now);
        else if (words[0] == "reset") breaker.reset_at(now);
        else return unsupported;
        return "ok";
    }

    static std::string acquire(policy &of, std::uint64_t cost, fb::nanos now)
    {
        const auto small = static_cast<std::uint32_t>(cost);
        return std::visit(
            overloaded{
                [&](fb::breaker &) { return std::string(unsupported); },
                [&](fb::concurrency &) { return std::string(unsupported); },
                [&](fb::sliding_log &it) {
                    return exact(it.try_acquire_at(small, now), now,
                                 [&](fb::nanos later) { return it.available_at(later) < small; });
                },
                [&](fb::sliding_counter &it) { return admission(it.try_acquire_at(small, now)); },
                [&](auto &it) { return admission(it.try_acquire_at(cost, now)); },
            },
            of);
    }

    static std::string reserve(policy &of, std::uint64_t cost, const std::string &longest, fb::nanos now)
    {
        const fb::nanos max_wait = longest == "-" ? fb::nanos(UINT64_MAX) : span(longest);
        const auto said = [&](auto &it) {
            const auto result = it.reserve_at(cost, max_wait, now);
            return admission(result.has_value(), result ? result->wait_ns : 0, result ? nullptr : &result.error());
        };
        return std::visit(overloaded{
                              [&](fb::token_bucket &it) { return said(it); },
                              [&](fb::leaky_bucket &it) { return said(it); },
                              [&](auto &) { return std::string(unsupported); },
                          },
                          of);
    }

    static std::string refund(policy &of, std::uint64_t cost, fb::nanos now)
    {
        const std::string ok = "ok";
        return std::visit(overloaded{
                              [&](fb::breaker &) { return std::string(unsupported); },
                              [&](fb::concurrency &) { return std::string(unsupported); },
                              [&](fb::sliding_log &) { return std::string(unsupported); },
                              [&](fb::sliding_counter &it) {
                                  it.refund_at(static_cast<std::uint32_t>(cost), now);
                                  return ok;
                              },
                              [&](auto &it) {
                                  it.refund_at(cost, now);
                                  return ok;
                              },
                          },
                          of);
    }

    static std::string available(policy &of, fb::nanos now)
    {
        return std::visit(overloaded{
                              [&](fb::breaker &) { return std::string(unsupported); },
                              [&](fb::concurrency &it) {
                                  const auto limit = it.limit(), busy = it.in_flight();
                                  return std::to_string(limit > busy ? limit - busy : 0);
                              },
                              [&](auto &it) { return std::to_string(it.available_at(now)); },
                          },
                          of);
    }

    static std::string in_flight(policy &of, fb::nanos now)
    {
        if (const auto *breaker = std::get_if<fb::breaker>(&of))
            return std::to_string(breaker->snapshot_at(now).in_flight);
        if (const auto *limit = std::get_if<fb::concurrency>(&of)) return std::to_string(limit->in_flight());
        return unsupported;
    }

    // In this order, so that permits go before what gave them.
    std::map<std::string, policy> policies_;
    std::map<std::uint64_t, fb::permit> permits_;
    std::map<std::uint64_t, fb::place> places_;
};

int main()
{
    auto now = std::make_unique<host>();
    for (std::string line; std::getline(std::cin, line);) {
        const auto words = parts(line, ' ');
        if (words.size() == 1) {
            now = std::make_unique<host>();
            std::cout << "ok" << std::endl;
        } else if (words.size() >= 3) {
            std::cout << now->answer(words) << std::endl;
        } else {
            std::cout << "unanswered no such line" << std::endl;
        }
    }
}
