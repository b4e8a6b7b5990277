/*
 * fuseboard.hpp: circuit breakers and limiters for C++17 and later, over fuseboard.h.
 *
 * What every type here promises:
 * - It owns one handle and frees it; it moves and does not copy. Const members may be called by any
 *   number of threads at once; none blocks, and none but `make` and the constructors allocates.
 * - A permit is settled once: by success(), failure(), ignore() or cancel(). One that is destroyed
 *   before that counts as failed when an exception is passing through its scope, and as cancelled
 *   otherwise. It must not outlive what gave it.
 * - An expected "not now" is an `expected<T, rejected>` without a value: std::expected where the
 *   standard library has it, else a small one with the same members.
 * - `make` answers a refused setting with an `error`; constructors throw it as `refused_error`.
 *   `call` throws `rejected_error`, `try_call` returns it. With -fno-exceptions there are no
 *   constructors from settings and no `call`; everything else stays.
 * - Times are any std::chrono duration; those of members that end in _at count from the zero of a
 *   clock of the caller's choice, which has to be the same for all calls. The others read
 *   CLOCK_MONOTONIC, which std::chrono::steady_clock reads too.
 */
#ifndef FUSEBOARD_HPP
#define FUSEBOARD_HPP

#include "fuseboard.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_expected)
#include <expected>
#endif

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define FUSEBOARD_HAS_EXCEPTIONS 1
#endif

namespace fuseboard {

#if defined(__cpp_lib_expected)
template <class T, class E> using expected = std::expected<T, E>;
template <class E> using unexpected = std::unexpected<E>;
#else
/// Why there is no value.
template <class E> struct unexpected {
    E reason;
    explicit unexpected(E why) : reason(std::move(why)) {}
};

/// A value, or why there is none: what std::expected will be.
template <class T, class E> class [[nodiscard]] expected {
public:
    expected(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    expected(unexpected<E> why) : content_(std::in_place_index<1>, std::move(why.reason)) {}
    bool has_value() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    T &operator*() & noexcept { return *std::get_if<0>(&content_); }
    const T &operator*() const & noexcept { return *std::get_if<0>(&content_); }
    T &&operator*() && noexcept { return std::move(*std::get_if<0>(&content_)); }
    T *operator->() noexcept { return std::get_if<0>(&content_); }
    const T *operator->() const noexcept { return std::get_if<0>(&content_); }
    const E &error() const noexcept { return *std::get_if<1>(&content_); }

private:
    std::variant<T, E> content_;
};

/// Nothing, or why not.
template <class E> class [[nodiscard]] expected<void, E> {
public:
    expected() = default;
    expected(unexpected<E> why) : why_(std::move(why.reason)) {}
    bool has_value() const noexcept { return !why_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    const E &error() const noexcept { return *why_; }

private:
    std::optional<E> why_;
};
#endif

/// A time or a moment in nanoseconds; a negative one is taken as zero.
class nanos {
public:
    template <class Rep, class Period>
    constexpr nanos(std::chrono::duration<Rep, Period> time)
        : count_(time < time.zero()
                     ? 0
                     : static_cast<std::uint64_t>(
                           std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()))
    {
    }
    template <class Duration>
    constexpr nanos(std::chrono::time_point<std::chrono::steady_clock, Duration> moment)
        : nanos(moment.time_since_epoch())
    {
    }
    explicit constexpr nanos(std::uint64_t count) : count_(count) {}
    constexpr std::uint64_t count() const noexcept { return count_; }

private:
    std::uint64_t count_;
};

/// What a breaker does at the moment.
enum class state : std::int32_t {
    closed = FB_STATE_CLOSED,
    open = FB_STATE_OPEN,
    half_open = FB_STATE_HALF_OPEN,
    forced_open = FB_STATE_FORCED_OPEN,
    disabled = FB_STATE_DISABLED,
    metrics_only = FB_STATE_METRICS_ONLY
};

/// The name of a state, the same in every language.
inline const char *to_string(state is) noexcept
{
    return fb_state_string(static_cast<std::int32_t>(is));
}

/// The name of a cause of a change of state, the same in every language.
inline const char *to_string(fb_cause cause) noexcept
{
    return fb_cause_string(static_cast<std::int32_t>(cause));
}

/// How a call ended.
enum class outcome : std::int32_t {
    success = FB_SUCCESS,
    failure = FB_FAILURE,
    ignored = FB_IGNORED
};

/// "Not now", or, with a negative status, a mistake in the program.
struct rejected {
    fb_status reason = FB_OK;
    std::uint64_t retry_after_ns = FB_RETRY_UNKNOWN;

    /// How long until another request can be admitted; nothing where time alone does not decide.
    std::optional<std::chrono::nanoseconds> retry_after() const noexcept
    {
        using std::chrono::nanoseconds;
        if (retry_after_ns == FB_RETRY_UNKNOWN) return std::nullopt;
        const auto most = static_cast<std::uint64_t>(nanoseconds::max().count());
        return retry_after_ns < most ? nanoseconds(static_cast<std::int64_t>(retry_after_ns))
                                     : nanoseconds::max();
    }
    /// Why, in words.
    const char *what() const noexcept { return fb_status_string(reason); }
};

/// What was refused when something was made or changed.
class error {
public:
    error() noexcept : status_(FB_OK), text_() {}
    error(fb_status status, const fb_error &text) noexcept : status_(status), text_(text) {}
    fb_status status() const noexcept { return status_; }
    /// The setting's name; empty where it was none.
    const char *field() const noexcept { return text_.field; }
    /// Name, value, allowed range and what to do.
    const char *what() const noexcept
    {
        return text_.message[0] != 0 ? text_.message : fb_status_string(status_);
    }

private:
    fb_status status_;
    fb_error text_;
};

#if defined(FUSEBOARD_HAS_EXCEPTIONS)
/// Thrown by constructors.
class refused_error : public std::invalid_argument {
public:
    explicit refused_error(const error &why) : std::invalid_argument(why.what()), why_(why) {}
    const error &why() const noexcept { return why_; }

private:
    error why_;
};

/// Thrown by `call` when the call was not made.
class rejected_error : public std::runtime_error {
public:
    explicit rejected_error(rejected why) : std::runtime_error(why.what()), why_(why) {}
    fb_status reason() const noexcept { return why_.reason; }
    std::optional<std::chrono::nanoseconds> retry_after() const noexcept
    {
        return why_.retry_after();
    }

private:
    rejected why_;
};
#endif

namespace detail {

/// Frees a handle of one kind.
template <class Native, void (*Free)(Native *)> class owner {
public:
    owner(owner &&other) noexcept : native_(std::exchange(other.native_, nullptr)) {}
    owner &operator=(owner &&other) noexcept
    {
        if (this != &other) {
            Free(native_);
            native_ = std::exchange(other.native_, nullptr);
        }
        return *this;
    }
    owner(const owner &) = delete;
    owner &operator=(const owner &) = delete;
    /// For functions of fuseboard.h; still owned.
    const Native *native_handle() const noexcept { return native_; }

protected:
    explicit owner(Native *native) noexcept : native_(native) {}
    ~owner() { Free(native_); }
    Native *native_;
};

/// What `make` gives, from a function that fills a handle and an error.
template <class Type, class Native, class Fill> expected<Type, error> made(Fill fill)
{
    Native *native = nullptr;
    fb_error text = {};
    const fb_status status = static_cast<fb_status>(fill(&native, &text));
    if (status != FB_OK) return unexpected<error>(error(status, text));
    return Type::adopt(native);
}

/// What a change gives, from a function that fills an error.
template <class Fill> expected<void, error> changed(Fill fill)
{
    fb_error text = {};
    const fb_status status = static_cast<fb_status>(fill(&text));
    if (status != FB_OK) return unexpected<error>(error(status, text));
    return {};
}

/// What a decision gives, from a function that fills the wait.
template <class Ask> expected<void, rejected> decided(Ask ask)
{
    rejected why;
    why.reason = static_cast<fb_status>(ask(&why.retry_after_ns));
    if (why.reason != FB_OK) return unexpected<rejected>(why);
    return {};
}

/// A number that a function writes; `otherwise` where it refuses.
template <class Number, class Read> Number number(Read read, Number otherwise = {})
{
    Number value = otherwise;
    return read(&value) == FB_OK ? value : otherwise;
}

#if defined(FUSEBOARD_HAS_EXCEPTIONS)
template <class Type> Type or_throw(expected<Type, error> made)
{
    if (!made) throw refused_error(made.error());
    return *std::move(made);
}
#endif

/// Parts per million; what is no share, or too large for the number, is out of every range.
inline std::uint32_t ppm(double share) noexcept
{
    const double parts = share * 1e6 + 0.5;
    return share >= 0 && parts < 4294967295.0 ? static_cast<std::uint32_t>(parts) : UINT32_MAX;
}

/// How many exceptions are passing through here.
inline int passing() noexcept
{
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    return std::uncaught_exceptions();
#else
    return 0;
#endif
}

template <class T, class = void> struct has_error : std::false_type {};
template <class T>
struct has_error<T, std::void_t<decltype(std::declval<const T &>().has_value()),
                                decltype(std::declval<const T &>().error())>> : std::true_type {};

} // namespace detail

/// The right to make one call, which is settled once.
template <class Source> class [[nodiscard]] basic_permit {
public:
    basic_permit(basic_permit &&other) noexcept
        : source_(other.source_), raw_(std::exchange(other.raw_, typename Source::raw{})),
          passing_(other.passing_)
    {
    }
    basic_permit &operator=(basic_permit &&other) noexcept
    {
        if (this != &other) {
            end();
            source_ = other.source_;
            raw_ = std::exchange(other.raw_, typename Source::raw{});
            passing_ = other.passing_;
        }
        return *this;
    }
    basic_permit(const basic_permit &) = delete;
    basic_permit &operator=(const basic_permit &) = delete;
    ~basic_permit() { end(); }

    /// Each of these is false when it changed nothing: settled before, or the state is another by now.
    bool settle(outcome how) noexcept
    {
        return source_.settle(&raw_, static_cast<std::int32_t>(how)) == FB_OK;
    }
    bool settle_at(outcome how, nanos now) noexcept
    {
        return source_.settle_at(&raw_, static_cast<std::int32_t>(how), now.count()) == FB_OK;
    }
    bool success() noexcept { return settle(outcome::success); }
    bool failure() noexcept { return settle(outcome::failure); }
    bool ignore() noexcept { return settle(outcome::ignored); }
    bool cancel() noexcept { return source_.cancel(&raw_) == FB_OK; }
    /// Whether the call is one of the few that decide in half-open; of a breaker's permit only.
    bool is_probe() const noexcept
    {
        std::int32_t is_probe = 0;
        return fb_permit_read(&raw_, &is_probe, nullptr) == FB_OK && is_probe == 1;
    }
    /// A failure that counts as `weight` failed calls; of a breaker's permit only.
    bool failure_weighted(std::uint32_t weight) noexcept
    {
        return source_.failure_weighted(&raw_, weight) == FB_OK;
    }
    bool failure_weighted_at(std::uint32_t weight, nanos now) noexcept
    {
        return source_.failure_weighted_at(&raw_, weight, now.count()) == FB_OK;
    }

    basic_permit(Source source, typename Source::raw raw) noexcept
        : source_(source), raw_(raw), passing_(detail::passing())
    {
    }

private:
    /// A permit that was settled is cleared, so that this does nothing.
    void end() noexcept
    {
        if (detail::passing() > passing_) failure();
        else cancel();
    }

    Source source_;
    typename Source::raw raw_;
    int passing_;
};

namespace detail {

/// `try_call` and `call` of whatever gives permits.
template <class Self> class calling {
public:
    /// Makes a call if it is admitted. It counts as failed when it throws, or returns something like
    /// std::expected that holds an error.
    template <class F> auto try_call(F &&f) const
    {
        return try_call(std::forward<F>(f), [](const auto &result) {
            using Result = std::decay_t<decltype(result)>;
            if constexpr (has_error<Result>::value)
                return result.has_value() ? outcome::success : outcome::failure;
            else
                return outcome::success;
        });
    }
    /// Makes a call if it is admitted, and asks `classify` how its result is to be counted.
    template <class F, class Classify>
    auto try_call(F &&f, Classify &&classify) const
        -> expected<std::invoke_result_t<F>, rejected>
    {
        auto permit = static_cast<const Self *>(this)->try_acquire();
        if (!permit) return unexpected<rejected>(permit.error());
        if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
            std::invoke(std::forward<F>(f));
            permit->success();
            return {};
        } else {
            auto result = std::invoke(std::forward<F>(f));
            permit->settle(std::invoke(std::forward<Classify>(classify), std::as_const(result)));
            return result;
        }
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    /// try_call whose rejection is thrown.
    template <class... Arguments> auto call(Arguments &&...arguments) const
    {
        auto result = try_call(std::forward<Arguments>(arguments)...);
        if (!result) throw rejected_error(result.error());
        if constexpr (!std::is_same_v<decltype(result), expected<void, rejected>>)
            return *std::move(result);
    }
#endif
};

} // namespace detail

/// The span of calls that a breaker judges.
class window {
public:
    /// The last `length`, in so many pieces.
    static window time(nanos length, std::uint32_t slots = 10) noexcept
    {
        return window(FB_WINDOW_TIME, length.count(), slots, 0);
    }
    /// The last so many calls.
    static window count(std::uint32_t calls) noexcept
    {
        return window(FB_WINDOW_COUNT, 0, 0, calls);
    }
    /// Trips after so many failures in a row.
    static window consecutive(std::uint32_t failures) noexcept
    {
        return window(FB_WINDOW_CONSECUTIVE, 0, 0, failures);
    }
    /// All calls, an old one weighing half as much as one that is `half_life` younger.
    static window decay(nanos half_life) noexcept
    {
        return window(FB_WINDOW_DECAY, half_life.count(), 0, 0);
    }

private:
    friend class breaker_config;
    window(std::int32_t kind, std::uint64_t ns, std::uint32_t slots, std::uint32_t calls) noexcept
        : kind_(kind), ns_(ns), slots_(slots), calls_(calls)
    {
    }
    std::int32_t kind_;
    std::uint64_t ns_;
    std::uint32_t slots_, calls_;
};

/// Settings of a breaker; the defaults and ranges are those of fb_breaker_config. They are judged
/// when a breaker is made of them.
class breaker_config {
public:
    breaker_config() noexcept : native_() { (void)fb_breaker_config_init(&native_, sizeof native_); }
    /// From text: "failure_threshold=0.5, window=time(10s,10)"; see fb_breaker_config_parse.
    static expected<breaker_config, error> parse(const std::string &text)
    {
        breaker_config config;
        fb_error why = {};
        const auto status = static_cast<fb_status>(fb_breaker_config_parse(
            &config.native_, sizeof config.native_, text.c_str(), &why));
        if (status != FB_OK) return unexpected<error>(error(status, why));
        return config;
    }

    breaker_config &failure_threshold(double share) noexcept
    {
        return share_of(native_.failure_threshold_ppm, "failure_threshold", share);
    }
    breaker_config &minimum_requests(std::uint64_t calls) noexcept
    {
        return set(native_.minimum_requests, calls);
    }
    breaker_config &open_timeout(nanos time) noexcept
    {
        return set(native_.open_timeout_ns, time.count());
    }
    breaker_config &half_open_requests(std::uint32_t probes) noexcept
    {
        return set(native_.half_open_requests, probes);
    }
    breaker_config &window(class window judged) noexcept
    {
        native_.window_kind = judged.kind_;
        if (judged.ns_ != 0 || judged.calls_ == 0) native_.window_ns = judged.ns_;
        if (judged.kind_ == FB_WINDOW_TIME) native_.window_slots = judged.slots_;
        if (judged.kind_ == FB_WINDOW_COUNT || judged.kind_ == FB_WINDOW_CONSECUTIVE)
            native_.window_calls = judged.calls_;
        return *this;
    }
    breaker_config &slow_call_duration(nanos limit) noexcept
    {
        return positive(native_.slow_call_duration_ns, "slow_call_duration", limit.count());
    }
    breaker_config &slow_call_threshold(double share) noexcept
    {
        return share_of(native_.slow_call_threshold_ppm, "slow_call_threshold", share);
    }
    breaker_config &count_overdue(bool is_on) noexcept
    {
        return set(native_.count_overdue, is_on ? 1U : 0U);
    }
    breaker_config &half_open_successes(std::uint32_t probes) noexcept
    {
        return positive(native_.half_open_successes, "half_open_successes", probes);
    }
    breaker_config &half_open_failures(std::uint32_t probes) noexcept
    {
        return set(native_.half_open_failures, probes);
    }
    breaker_config &probe_lease(nanos lease) noexcept
    {
        return positive(native_.probe_lease_ns, "probe_lease", lease.count());
    }
    breaker_config &open_backoff(double factor) noexcept
    {
        return share_of(native_.open_backoff_ppm, "open_backoff", factor);
    }
    breaker_config &open_timeout_max(nanos time) noexcept
    {
        return set(native_.open_timeout_max_ns, time.count());
    }
    breaker_config &open_jitter(double share) noexcept
    {
        return share_of(native_.open_jitter_ppm, "open_jitter", share);
    }
    breaker_config &jitter_seed(std::uint64_t seed) noexcept
    {
        return set(native_.jitter_seed, seed);
    }
    breaker_config &ramp_up(nanos time) noexcept { return set(native_.ramp_up_ns, time.count()); }
    breaker_config &record_latency(bool is_on) noexcept
    {
        return set(native_.record_latency, is_on ? 1U : 0U);
    }
    /// Checks all settings, without a breaker.
    expected<void, error> validate() const
    {
        if (auto why = refused()) return unexpected<error>(*why);
        return detail::changed(
            [this](fb_error *why) { return fb_breaker_config_validate(&native_, why); });
    }

    /// Takes over what a function of fuseboard.h filled.
    static breaker_config adopt(const fb_breaker_config &native) noexcept
    {
        breaker_config config;
        config.native_ = native;
        return config;
    }

    /// For functions of fuseboard.h.
    const fb_breaker_config &native() const noexcept { return native_; }
    /// What fb_breaker_config could not say: the first setting that is refused already.
    std::optional<error> refused() const
    {
        if (refused_ == nullptr) return std::nullopt;
        fb_error text = {};
        std::snprintf(text.field, sizeof text.field, "%s", refused_);
        std::snprintf(text.message, sizeof text.message, "%s is %g; allowed: %s", refused_, given_,
                      allowed_);
        return error(FB_ECONFIG, text);
    }

private:
    template <class Number> breaker_config &set(Number &member, Number value) noexcept
    {
        member = value;
        return *this;
    }
    /// Where 0 stands for the default, it cannot be asked for.
    template <class Number>
    breaker_config &positive(Number &member, const char *field, Number value) noexcept
    {
        if (value == 0) refuse(field, 0, "at least 1; leave it out for the default");
        return set(member, value);
    }
    breaker_config &share_of(std::uint32_t &member, const char *field, double share) noexcept
    {
        if (!(share >= 0)) refuse(field, share, "a number that is not negative");
        return set(member, detail::ppm(share));
    }
    void refuse(const char *field, double given, const char *allowed) noexcept
    {
        if (refused_ != nullptr) return;
        refused_ = field;
        given_ = given;
        allowed_ = allowed;
    }

    fb_breaker_config native_;
    const char *refused_ = nullptr;
    double given_ = 0;
    const char *allowed_ = nullptr;
};

/// How long calls took, as a histogram held it at one moment.
class latency_counts {
public:
    latency_counts() noexcept : native_() { native_.struct_size = sizeof native_; }
    /// So long took this share of the calls at most; nothing when none was counted.
    std::optional<std::chrono::nanoseconds> quantile(double share) const noexcept
    {
        rejected as_wait;
        const auto ppm = detail::ppm(share);
        if (fb_latency_counts_quantile(&native_, ppm, &as_wait.retry_after_ns) != FB_OK)
            return std::nullopt;
        return as_wait.retry_after();
    }
    std::uint64_t calls() const noexcept
    {
        return detail::number<std::uint64_t>(
            [this](auto *calls) { return fb_latency_counts_totals(&native_, calls, nullptr); });
    }
    /// What the calls took together; at most 4.6 % off.
    std::chrono::nanoseconds sum() const noexcept
    {
        rejected as_wait;
        as_wait.retry_after_ns = detail::number<std::uint64_t>(
            [this](auto *sum) { return fb_latency_counts_totals(&native_, nullptr, sum); });
        return as_wait.retry_after().value_or(std::chrono::nanoseconds::max());
    }
    /// What was counted since an earlier reading of the same histogram.
    latency_counts since(const latency_counts &earlier) const noexcept
    {
        latency_counts between;
        (void)fb_latency_counts_since(&native_, &earlier.native_, &between.native_);
        return between;
    }
    /// The buckets themselves; fb_latency_bucket_bounds tells their bounds.
    const fb_latency_counts &native() const noexcept { return native_; }
    /// For functions of fuseboard.h that fill it.
    fb_latency_counts *fill() noexcept { return &native_; }

private:
    fb_latency_counts native_;
};

#if defined(FB_HOSTED)

namespace detail {

/// What a handle's permits are settled with.
struct handle_source {
    using raw = fb_permit;
    fb_handle *native;
    fb_status settle(raw *permit, std::int32_t how) const noexcept
    {
        return static_cast<fb_status>(fb_handle_settle(native, permit, how));
    }
    fb_status settle_at(raw *permit, std::int32_t how, std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(fb_handle_settle_at(native, permit, how, now));
    }
    fb_status cancel(raw *permit) const noexcept
    {
        return static_cast<fb_status>(fb_handle_cancel(native, permit));
    }
    fb_status failure_weighted(raw *permit, std::uint32_t weight) const noexcept
    {
        return static_cast<fb_status>(
            fb_handle_settle_weighted(native, permit, FB_FAILURE, weight));
    }
    fb_status failure_weighted_at(raw *permit, std::uint32_t weight,
                                  std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(
            fb_handle_settle_weighted_at(native, permit, FB_FAILURE, weight, now));
    }
};

struct breaker_source {
    using raw = fb_permit;
    const fb_breaker *native;
    fb_status settle(raw *permit, std::int32_t how) const noexcept
    {
        return static_cast<fb_status>(fb_breaker_settle(native, permit, how));
    }
    fb_status settle_at(raw *permit, std::int32_t how, std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(fb_breaker_settle_at(native, permit, how, now));
    }
    fb_status cancel(raw *permit) const noexcept
    {
        return static_cast<fb_status>(fb_breaker_cancel(native, permit));
    }
    fb_status failure_weighted(raw *permit, std::uint32_t weight) const noexcept
    {
        return static_cast<fb_status>(
            fb_breaker_settle_weighted(native, permit, FB_FAILURE, weight));
    }
    fb_status failure_weighted_at(raw *permit, std::uint32_t weight,
                                  std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(
            fb_breaker_settle_weighted_at(native, permit, FB_FAILURE, weight, now));
    }
};

} // namespace detail

/// The right to one call of a breaker.
using permit = basic_permit<detail::breaker_source>;
/// The same, counted by a handle: it belongs to the handle's thread.
using handle_permit = basic_permit<detail::handle_source>;

/// A breaker's counters for one thread alone, from breaker::handle. It may move to another thread and
/// is not used by two at once. The breaker must outlive it.
class handle : public detail::owner<fb_handle, &fb_handle_free>, public detail::calling<handle> {
public:
    /// Takes over what a function of fuseboard.h made.
    static handle adopt(fb_handle *native) noexcept { return handle(native); }

    /// Asks for one call.
    expected<handle_permit, rejected> try_acquire() const noexcept
    {
        fb_permit raw = {};
        rejected why;
        why.reason = static_cast<fb_status>(fb_handle_try_acquire(native_, &raw, &why.retry_after_ns));
        return given(why, raw);
    }
    expected<handle_permit, rejected> try_acquire_at(nanos now) const noexcept
    {
        fb_permit raw = {};
        rejected why;
        why.reason = static_cast<fb_status>(
            fb_handle_try_acquire_at(native_, now.count(), &raw, &why.retry_after_ns));
        return given(why, raw);
    }

private:
    expected<handle_permit, rejected> given(rejected why, fb_permit raw) const noexcept
    {
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return handle_permit(detail::handle_source{native_}, raw);
    }
    explicit handle(fb_handle *native) noexcept : owner(native) {}
};

/// A circuit breaker.
class breaker : public detail::owner<fb_breaker, &fb_breaker_free>,
                public detail::calling<breaker> {
public:
    static expected<breaker, error> make(const breaker_config &config = {})
    {
        if (auto why = config.refused()) return unexpected<error>(*why);
        return detail::made<breaker, fb_breaker>([&](fb_breaker **out, fb_error *why) {
            return fb_breaker_new(&config.native(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit breaker(const breaker_config &config = {}) : breaker(detail::or_throw(make(config))) {}
#endif
    /// One with room for FB_HANDLES handles.
    static expected<breaker, error> make_with_handles(const breaker_config &config = {})
    {
        if (auto why = config.refused()) return unexpected<error>(*why);
        return detail::made<breaker, fb_breaker>([&](fb_breaker **out, fb_error *why) {
            return fb_breaker_new_with_handles(&config.native(), out, why);
        });
    }
    /// Takes over what a function of fuseboard.h made.
    static breaker adopt(fb_breaker *native) noexcept { return breaker(native); }

    /// A handle for one thread; not where FB_HANDLES of them are there, or it was made without room
    /// for any.
    expected<fuseboard::handle, rejected> handle() const noexcept
    {
        fb_handle *native = nullptr;
        rejected why;
        why.reason = static_cast<fb_status>(fb_handle_new(native_, &native));
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return fuseboard::handle::adopt(native);
    }

    /// Asks for one call.
    expected<permit, rejected> try_acquire() const noexcept
    {
        return ask([this](fb_permit *raw, std::uint64_t *wait) {
            return fb_breaker_try_acquire(native_, raw, wait);
        });
    }
    expected<permit, rejected> try_acquire_at(nanos now) const noexcept
    {
        return ask([this, now](fb_permit *raw, std::uint64_t *wait) {
            return fb_breaker_try_acquire_at(native_, now.count(), raw, wait);
        });
    }
    /// Whether a call would be admitted; takes nothing.
    expected<void, rejected> check() const noexcept
    {
        return detail::decided([this](auto *wait) { return fb_breaker_check(native_, wait); });
    }
    expected<void, rejected> check_at(nanos now) const noexcept
    {
        return detail::decided(
            [this, now](auto *wait) { return fb_breaker_check_at(native_, now.count(), wait); });
    }
    fuseboard::state state() const noexcept
    {
        return static_cast<fuseboard::state>(fb_breaker_state(native_));
    }
    fb_snapshot snapshot() const noexcept
    {
        fb_snapshot seen = {};
        seen.struct_size = sizeof seen;
        (void)fb_breaker_snapshot(native_, &seen);
        return seen;
    }
    fb_snapshot snapshot_at(nanos now) const noexcept
    {
        fb_snapshot seen = {};
        seen.struct_size = sizeof seen;
        (void)fb_breaker_snapshot_at(native_, now.count(), &seen);
        return seen;
    }

    void force_open() const noexcept { (void)fb_breaker_force_open(native_); }
    void force_open_at(nanos now) const noexcept
    {
        (void)fb_breaker_force_open_at(native_, now.count());
    }
    /// Until a moment of the breaker's clock.
    void force_open_until(nanos until) const noexcept
    {
        (void)fb_breaker_force_open_until(native_, until.count());
    }
    void force_open_until_at(nanos until, nanos now) const noexcept
    {
        (void)fb_breaker_force_open_until_at(native_, until.count(), now.count());
    }
    void disable() const noexcept { (void)fb_breaker_disable(native_); }
    void disable_at(nanos now) const noexcept { (void)fb_breaker_disable_at(native_, now.count()); }
    void metrics_only() const noexcept { (void)fb_breaker_metrics_only(native_); }
    void metrics_only_at(nanos now) const noexcept
    {
        (void)fb_breaker_metrics_only_at(native_, now.count());
    }
    void reset() const noexcept { (void)fb_breaker_reset(native_); }
    void reset_at(nanos now) const noexcept { (void)fb_breaker_reset_at(native_, now.count()); }
    expected<void, error> configure(const breaker_config &config) const
    {
        if (auto why = config.refused()) return unexpected<error>(*why);
        return detail::changed([&](fb_error *why) {
            return fb_breaker_configure(native_, &config.native(), why);
        });
    }

    /// The settings that it runs with.
    breaker_config config() const noexcept
    {
        breaker_config config;
        fb_breaker_config native = config.native();
        (void)fb_breaker_read_config(native_, &native, sizeof native);
        return breaker_config::adopt(native);
    }
    /// How long calls took, where record_latency is set.
    std::optional<latency_counts> latency() const noexcept
    {
        latency_counts counts;
        if (fb_breaker_latency(native_, counts.fill()) != FB_OK) return std::nullopt;
        return counts;
    }
    /// The changes of state after `generation`, which moves on; at most the last FB_TRANSITIONS_KEPT.
    std::vector<fb_transition> transitions(std::uint32_t &generation) const
    {
        std::vector<fb_transition> changes(FB_TRANSITIONS_KEPT);
        std::size_t count = 0;
        (void)fb_breaker_transitions(native_, &generation, changes.data(), changes.size(),
                                     sizeof changes[0], &count, nullptr);
        changes.resize(count);
        return changes;
    }

    /// State, window and totals as bytes that `restore` takes; empty where there are none.
    std::string save() const
    {
        return saved([this](char *bytes, std::size_t size, std::size_t *used) {
            return fb_breaker_save(native_, bytes, size, used);
        });
    }
    std::string save_at(nanos now) const
    {
        return saved([this, now](char *bytes, std::size_t size, std::size_t *used) {
            return fb_breaker_save_at(native_, now.count(), bytes, size, used);
        });
    }
    /// Takes over what `save` gave; `away` is the time that has passed since. Before other threads
    /// have the breaker. False, and nothing has changed, when the bytes are not of such a breaker.
    bool restore(std::string_view bytes, nanos away = std::chrono::seconds(0)) noexcept
    {
        return !bytes.empty() &&
               fb_breaker_restore(native_, away.count(), bytes.data(), bytes.size()) == FB_OK;
    }

    bool restore_at(std::string_view bytes, nanos away, nanos now) noexcept
    {
        return !bytes.empty() && fb_breaker_restore_at(native_, now.count(), away.count(),
                                                       bytes.data(), bytes.size()) == FB_OK;
    }

    /// Calls `listener` at each change of state, on the thread that caused it; once for a breaker.
    /// It must live as long as the breaker, and not throw. False when there is one already.
    template <class Listener> bool on_transition(Listener &listener) const noexcept
    {
        static_assert(std::is_nothrow_invocable_v<Listener &, const fb_transition &>,
                      "declare the listener noexcept: nothing may unwind into the library");
        const auto call = [](void *user, const fb_transition *change) {
            (*static_cast<Listener *>(user))(*change);
        };
        return fb_breaker_on_transition(native_, call, &listener) == FB_OK;
    }

private:
    explicit breaker(fb_breaker *native) noexcept : owner(native) {}
    template <class Save> static std::string saved(Save save)
    {
        std::string bytes(FB_BREAKER_SAVED_SIZE, 0);
        std::size_t used = 0;
        if (save(&bytes[0], bytes.size(), &used) != FB_OK) used = 0;
        bytes.resize(used);
        return bytes;
    }
    template <class Ask> expected<permit, rejected> ask(Ask ask) const noexcept
    {
        fb_permit raw = {};
        rejected why;
        why.reason = static_cast<fb_status>(ask(&raw, &why.retry_after_ns));
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return permit(detail::breaker_source{native_}, raw);
    }
};

/// So many units in a time.
struct rate {
    std::uint64_t units;
    nanos per;

    static rate per_second(std::uint64_t units) noexcept { return {units, std::chrono::seconds(1)}; }
    static rate per_minute(std::uint64_t units) noexcept { return {units, std::chrono::minutes(1)}; }
    static rate per_hour(std::uint64_t units) noexcept { return {units, std::chrono::hours(1)}; }
};

/// Units or turns taken ahead of time, and how long to wait for them.
struct reservation {
    fb_reservation native;
    std::uint64_t wait_ns;

    std::chrono::nanoseconds wait() const noexcept
    {
        rejected waiting;
        waiting.retry_after_ns = wait_ns;
        return waiting.retry_after().value_or(std::chrono::nanoseconds::max());
    }
};

namespace detail {

/// What a reservation gives, from a function that fills it and its wait.
template <class Ask> expected<reservation, rejected> reserved_by(Ask ask)
{
    reservation taken = {};
    const fb_status status = static_cast<fb_status>(ask(&taken.native, &taken.wait_ns));
    if (status == FB_OK) return taken;
    rejected why;
    why.reason = status;
    why.retry_after_ns = taken.wait_ns;
    return unexpected<rejected>(why);
}

} // namespace detail

/// A sustained rate with a burst.
class token_bucket : public detail::owner<fb_token_bucket, &fb_token_bucket_free> {
public:
    /// One that starts cold after idling: `cold_factor` times slower at first, at its rate after
    /// `warm_up`.
    static expected<token_bucket, error> make_with_warm_up(rate sustained, std::uint64_t burst,
                                                           nanos warm_up,
                                                           std::uint32_t cold_factor = 3)
    {
        return detail::made<token_bucket, fb_token_bucket>([&](fb_token_bucket **out, fb_error *why) {
            return fb_token_bucket_new_with_warm_up(sustained.units, sustained.per.count(), burst,
                                                    warm_up.count(), cold_factor, out, why);
        });
    }
    static expected<token_bucket, error> make(rate sustained, std::uint64_t burst)
    {
        return detail::made<token_bucket, fb_token_bucket>([&](fb_token_bucket **out, fb_error *why) {
            return fb_token_bucket_new(sustained.units, sustained.per.count(), burst, out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    token_bucket(rate sustained, std::uint64_t burst) : token_bucket(detail::or_throw(make(sustained, burst))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static token_bucket adopt(fb_token_bucket *native) noexcept { return token_bucket(native); }

    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint64_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_token_bucket_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint64_t cost, nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_token_bucket_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// Takes `cost` units, now or later: wait for the reservation's time, then go on.
    expected<reservation, rejected> reserve(std::uint64_t cost = 1,
                                            nanos max_wait = nanos(UINT64_MAX)) const noexcept
    {
        return detail::reserved_by([&](auto *taken, auto *wait) {
            return fb_token_bucket_reserve(native_, cost, max_wait.count(), taken, wait);
        });
    }
    expected<reservation, rejected> reserve_at(std::uint64_t cost, nanos max_wait,
                                               nanos now) const noexcept
    {
        return detail::reserved_by([&](auto *taken, auto *wait) {
            return fb_token_bucket_reserve_at(native_, cost, max_wait.count(), now.count(), taken, wait);
        });
    }
    /// Gives a reservation back; false when it was given back before.
    bool cancel(reservation &taken) const noexcept
    {
        return fb_token_bucket_cancel(native_, &taken.native) == FB_OK;
    }
    bool cancel_at(reservation &taken, nanos now) const noexcept
    {
        return fb_token_bucket_cancel_at(native_, &taken.native, now.count()) == FB_OK;
    }
    /// As many units as are there, up to `most`.
    std::uint64_t acquire_up_to(std::uint64_t most) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *taken) {
            return fb_token_bucket_acquire_up_to(native_, most, taken);
        });
    }
    std::uint64_t acquire_up_to_at(std::uint64_t most, nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *taken) {
            return fb_token_bucket_acquire_up_to_at(native_, most, now.count(), taken);
        });
    }
    /// Gives back what was taken for work that was not done.
    void refund(std::uint64_t cost) const noexcept { (void)fb_token_bucket_refund(native_, cost); }
    void refund_at(std::uint64_t cost, nanos now) const noexcept
    {
        (void)fb_token_bucket_refund_at(native_, cost, now.count());
    }
    /// How many could be taken at once.
    std::uint64_t available() const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) { return fb_token_bucket_available(native_, units); });
    }
    std::uint64_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_token_bucket_available_at(native_, now.count(), units);
        });
    }
    expected<void, error> configure(rate sustained, std::uint64_t burst) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_token_bucket_configure(native_, sustained.units, sustained.per.count(), burst, why);
        });
    }
    /// The rate that it runs with, not always in the numbers that were given.
    rate sustained() const noexcept
    {
        std::uint64_t units = 0, per = 0;
        (void)fb_token_bucket_rate(native_, &units, &per, nullptr);
        return {units, nanos(per)};
    }
    std::uint64_t burst() const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *burst) {
            return fb_token_bucket_rate(native_, nullptr, nullptr, burst);
        });
    }
    /// Empties the bucket.
    void drain() const noexcept { (void)fb_token_bucket_drain(native_); }
    void drain_at(nanos now) const noexcept
    {
        (void)fb_token_bucket_drain_at(native_, now.count());
    }
    void reset() const noexcept { (void)fb_token_bucket_reset(native_); }

private:
    explicit token_bucket(fb_token_bucket *native) noexcept : owner(native) {}
};

/// Units of a token bucket taken some at a time, for one thread that asks very often. What it has
/// left when it is destroyed goes back. The bucket must outlive it.
class token_lease {
public:
    static expected<token_lease, error> make(const token_bucket &bucket, std::uint64_t batch,
                                             nanos lifetime)
    {
        return detail::made<token_lease, fb_token_lease>([&](fb_token_lease **out, fb_error *why) {
            return fb_token_lease_new(bucket.native_handle(), batch, lifetime.count(), out, why);
        });
    }
    static token_lease adopt(fb_token_lease *native) noexcept { return token_lease(native); }
    token_lease(token_lease &&other) noexcept : native_(std::exchange(other.native_, nullptr)) {}
    token_lease &operator=(token_lease &&) = delete;
    ~token_lease()
    {
        (void)fb_token_lease_give_back(native_);
        fb_token_lease_free(native_);
    }
    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint64_t cost = 1) noexcept
    {
        return detail::decided(
            [&](auto *wait) { return fb_token_lease_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint64_t cost, nanos now) noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_token_lease_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// Units that it has left.
    std::uint64_t left() const noexcept
    {
        return detail::number<std::uint64_t>(
            [&](auto *units) { return fb_token_lease_left(native_, units); });
    }

private:
    explicit token_lease(fb_token_lease *native) noexcept : native_(native) {}
    fb_token_lease *native_;
};

/// At most so many in any window, exactly.
class sliding_log : public detail::owner<fb_sliding_log, &fb_sliding_log_free> {
public:
    static expected<sliding_log, error> make(std::uint32_t limit, nanos window)
    {
        return detail::made<sliding_log, fb_sliding_log>([&](fb_sliding_log **out, fb_error *why) {
            return fb_sliding_log_new(limit, window.count(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    sliding_log(std::uint32_t limit, nanos window) : sliding_log(detail::or_throw(make(limit, window))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static sliding_log adopt(fb_sliding_log *native) noexcept { return sliding_log(native); }

    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint32_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_sliding_log_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint32_t cost, nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_sliding_log_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// How many could be taken at once.
    std::uint32_t available() const noexcept
    {
        return detail::number<std::uint32_t>([&](auto *units) { return fb_sliding_log_available(native_, units); });
    }
    std::uint32_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint32_t>([&](auto *units) {
            return fb_sliding_log_available_at(native_, now.count(), units);
        });
    }

private:
    explicit sliding_log(fb_sliding_log *native) noexcept : owner(native) {}
};

/// At most about so many in any window, in 24 bytes.
class sliding_counter : public detail::owner<fb_sliding_counter, &fb_sliding_counter_free> {
public:
    static expected<sliding_counter, error> make(std::uint32_t limit, nanos window)
    {
        return detail::made<sliding_counter, fb_sliding_counter>([&](fb_sliding_counter **out, fb_error *why) {
            return fb_sliding_counter_new(limit, window.count(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    sliding_counter(std::uint32_t limit, nanos window) : sliding_counter(detail::or_throw(make(limit, window))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static sliding_counter adopt(fb_sliding_counter *native) noexcept { return sliding_counter(native); }

    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint32_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_sliding_counter_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint32_t cost, nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_sliding_counter_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// Gives back what was taken for work that was not done.
    void refund(std::uint32_t cost) const noexcept { (void)fb_sliding_counter_refund(native_, cost); }
    void refund_at(std::uint32_t cost, nanos now) const noexcept
    {
        (void)fb_sliding_counter_refund_at(native_, cost, now.count());
    }
    /// How many could be taken at once.
    std::uint32_t available() const noexcept
    {
        return detail::number<std::uint32_t>([&](auto *units) { return fb_sliding_counter_available(native_, units); });
    }
    std::uint32_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint32_t>([&](auto *units) {
            return fb_sliding_counter_available_at(native_, now.count(), units);
        });
    }
    expected<void, error> set_limit(std::uint32_t limit) const
    {
        return detail::changed([&](fb_error *why) { return fb_sliding_counter_set_limit(native_, limit, why); });
    }
    /// The limit as it is now.
    std::uint32_t limit() const noexcept
    {
        return detail::number<std::uint32_t>(
            [&](auto *units) { return fb_sliding_counter_limit(native_, units); });
    }
    void reset() const noexcept { (void)fb_sliding_counter_reset(native_); }

private:
    explicit sliding_counter(fb_sliding_counter *native) noexcept : owner(native) {}
};

/// So many in each window of the clock.
class fixed_window : public detail::owner<fb_fixed_window, &fb_fixed_window_free> {
public:
    static expected<fixed_window, error> make(std::uint64_t limit, nanos window)
    {
        return detail::made<fixed_window, fb_fixed_window>([&](fb_fixed_window **out, fb_error *why) {
            return fb_fixed_window_new(limit, window.count(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    fixed_window(std::uint64_t limit, nanos window) : fixed_window(detail::or_throw(make(limit, window))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static fixed_window adopt(fb_fixed_window *native) noexcept { return fixed_window(native); }

    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint64_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_fixed_window_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint64_t cost, nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_fixed_window_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// Gives back what was taken for work that was not done.
    void refund(std::uint64_t cost) const noexcept { (void)fb_fixed_window_refund(native_, cost); }
    void refund_at(std::uint64_t cost, nanos now) const noexcept
    {
        (void)fb_fixed_window_refund_at(native_, cost, now.count());
    }
    /// How many could be taken at once.
    std::uint64_t available() const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) { return fb_fixed_window_available(native_, units); });
    }
    std::uint64_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_fixed_window_available_at(native_, now.count(), units);
        });
    }
    expected<void, error> set_limit(std::uint64_t limit) const
    {
        return detail::changed([&](fb_error *why) { return fb_fixed_window_set_limit(native_, limit, why); });
    }
    /// The limit as it is now.
    std::uint64_t limit() const noexcept
    {
        return detail::number<std::uint64_t>(
            [&](auto *units) { return fb_fixed_window_limit(native_, units); });
    }
    void reset() const noexcept { (void)fb_fixed_window_reset(native_); }

private:
    explicit fixed_window(fb_fixed_window *native) noexcept : owner(native) {}
};

/// Requests leave one by one, at a steady pace.
class leaky_bucket : public detail::owner<fb_leaky_bucket, &fb_leaky_bucket_free> {
public:
    static expected<leaky_bucket, error> make(rate pace, std::uint64_t queue)
    {
        return detail::made<leaky_bucket, fb_leaky_bucket>([&](fb_leaky_bucket **out, fb_error *why) {
            return fb_leaky_bucket_new(pace.units, pace.per.count(), queue, out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    leaky_bucket(rate pace, std::uint64_t queue) : leaky_bucket(detail::or_throw(make(pace, queue))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static leaky_bucket adopt(fb_leaky_bucket *native) noexcept { return leaky_bucket(native); }

    /// Takes `cost` turns, now or later: wait for the reservation's time, then go on.
    expected<reservation, rejected> reserve(std::uint64_t cost = 1,
                                            nanos max_wait = nanos(UINT64_MAX)) const noexcept
    {
        return detail::reserved_by([&](auto *taken, auto *wait) {
            return fb_leaky_bucket_reserve(native_, cost, max_wait.count(), taken, wait);
        });
    }
    expected<reservation, rejected> reserve_at(std::uint64_t cost, nanos max_wait,
                                               nanos now) const noexcept
    {
        return detail::reserved_by([&](auto *taken, auto *wait) {
            return fb_leaky_bucket_reserve_at(native_, cost, max_wait.count(), now.count(), taken, wait);
        });
    }
    /// Gives a reservation back; false when it was given back before.
    bool cancel(reservation &taken) const noexcept
    {
        return fb_leaky_bucket_cancel(native_, &taken.native) == FB_OK;
    }
    bool cancel_at(reservation &taken, nanos now) const noexcept
    {
        return fb_leaky_bucket_cancel_at(native_, &taken.native, now.count()) == FB_OK;
    }
    /// Takes `cost` units, all or none.
    expected<void, rejected> try_acquire(std::uint64_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_leaky_bucket_try_acquire(native_, cost, wait); });
    }
    expected<void, rejected> try_acquire_at(std::uint64_t cost, nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_leaky_bucket_try_acquire_at(native_, cost, now.count(), wait);
        });
    }
    /// Gives back what was taken for work that was not done.
    void refund(std::uint64_t cost) const noexcept { (void)fb_leaky_bucket_refund(native_, cost); }
    void refund_at(std::uint64_t cost, nanos now) const noexcept
    {
        (void)fb_leaky_bucket_refund_at(native_, cost, now.count());
    }
    /// How many could be taken at once.
    std::uint64_t available() const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) { return fb_leaky_bucket_available(native_, units); });
    }
    std::uint64_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_leaky_bucket_available_at(native_, now.count(), units);
        });
    }
    expected<void, error> configure(rate pace, std::uint64_t queue) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_leaky_bucket_configure(native_, pace.units, pace.per.count(), queue, why);
        });
    }
    void reset() const noexcept { (void)fb_leaky_bucket_reset(native_); }

private:
    explicit leaky_bucket(fb_leaky_bucket *native) noexcept : owner(native) {}
};

/// What a keyed limiter does with a new key when its table is full.
enum class when_full : std::int32_t {
    reject = FB_WHEN_FULL_REJECT,
    admit = FB_WHEN_FULL_ADMIT,
    share_overflow = FB_WHEN_FULL_SHARE_OVERFLOW
};

/// A token bucket for each key, in a table that never grows.
class keyed : public detail::owner<fb_keyed, &fb_keyed_free> {
public:
    static expected<keyed, error> make(rate sustained, std::uint64_t burst, std::size_t capacity, fuseboard::when_full full = fuseboard::when_full::reject)
    {
        return detail::made<keyed, fb_keyed>([&](fb_keyed **out, fb_error *why) {
            return fb_keyed_new(sustained.units, sustained.per.count(), burst, capacity,
                                static_cast<std::int32_t>(full), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    keyed(rate sustained, std::uint64_t burst, std::size_t capacity,
          fuseboard::when_full full = fuseboard::when_full::reject) : keyed(detail::or_throw(make(sustained, burst, capacity, full))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static keyed adopt(fb_keyed *native) noexcept { return keyed(native); }

    /// Takes `cost` units of a key's bucket, all or none.
    expected<void, rejected> try_acquire(std::string_view key, std::uint64_t cost = 1) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_keyed_try_acquire(native_, bytes(key), key.size(), cost, wait);
        });
    }
    expected<void, rejected> try_acquire_at(std::string_view key, std::uint64_t cost,
                                            nanos now) const noexcept
    {
        return detail::decided([&](auto *wait) {
            return fb_keyed_try_acquire_at(native_, bytes(key), key.size(), cost, now.count(), wait);
        });
    }
    /// Gives back what was taken for work that was not done.
    void refund(std::string_view key, std::uint64_t cost) const noexcept
    {
        (void)fb_keyed_refund(native_, bytes(key), key.size(), cost);
    }
    void refund_at(std::string_view key, std::uint64_t cost, nanos now) const noexcept
    {
        (void)fb_keyed_refund_at(native_, bytes(key), key.size(), cost, now.count());
    }
    /// How many units a key could take at once.
    std::uint64_t available(std::string_view key) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_keyed_available(native_, bytes(key), key.size(), units);
        });
    }
    std::uint64_t available_at(std::string_view key, nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_keyed_available_at(native_, bytes(key), key.size(), now.count(), units);
        });
    }
    /// How many keys have a place now; looks at all places.
    std::size_t live() const noexcept
    {
        return detail::number<std::size_t>([&](auto *keys) { return fb_keyed_live(native_, keys); });
    }
    std::size_t live_at(nanos now) const noexcept
    {
        return detail::number<std::size_t>(
            [&](auto *keys) { return fb_keyed_live_at(native_, now.count(), keys); });
    }
    /// How many places there are.
    std::size_t capacity() const noexcept
    {
        return detail::number<std::size_t>(
            [&](auto *places) { return fb_keyed_capacity(native_, places); });
    }
    /// How many times a key found no place.
    std::uint64_t overflows() const noexcept
    {
        return detail::number<std::uint64_t>(
            [&](auto *times) { return fb_keyed_overflows(native_, times); });
    }
    expected<void, error> configure(rate sustained, std::uint64_t burst) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_keyed_configure(native_, sustained.units, sustained.per.count(), burst, why);
        });
    }
    void reset() const noexcept { (void)fb_keyed_reset(native_); }

private:
    /// An empty view may point nowhere.
    static const char *bytes(std::string_view key) noexcept
    {
        return key.empty() ? "" : key.data();
    }
    explicit keyed(fb_keyed *native) noexcept : owner(native) {}
};

/// A place of a concurrency limit, given back when it is destroyed.
class [[nodiscard]] place {
public:
    place(place &&other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    place &operator=(place &&other) noexcept
    {
        if (this != &other) {
            (void)release();
            of_ = std::exchange(other.of_, nullptr);
        }
        return *this;
    }
    place(const place &) = delete;
    place &operator=(const place &) = delete;
    ~place() { (void)release(); }
    /// Gives it back now; false when it was given back before.
    bool release() noexcept
    {
        const fb_concurrency *of = std::exchange(of_, nullptr);
        return of != nullptr && fb_concurrency_release(of) == FB_OK;
    }
    explicit place(const fb_concurrency *of) noexcept : of_(of) {}

private:
    const fb_concurrency *of_;
};

/// At most so many calls in flight.
class concurrency : public detail::owner<fb_concurrency, &fb_concurrency_free> {
public:
    static expected<concurrency, error> make(std::uint32_t limit)
    {
        return detail::made<concurrency, fb_concurrency>([&](fb_concurrency **out, fb_error *why) {
            return fb_concurrency_new(limit, out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit concurrency(std::uint32_t limit) : concurrency(detail::or_throw(make(limit))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static concurrency adopt(fb_concurrency *native) noexcept { return concurrency(native); }

    /// Takes a place for one call.
    expected<place, rejected> try_acquire() const noexcept
    {
        return taken(fb_concurrency_try_acquire(native_));
    }
    /// The same for a call of some importance: `sheds_from` is the share of the places that is there
    /// for calls of priority 0.
    expected<place, rejected> try_acquire_prioritized(double sheds_from,
                                                      std::uint8_t priority) const noexcept
    {
        return taken(
            fb_concurrency_try_acquire_prioritized(native_, detail::ppm(sheds_from), priority));
    }
    std::uint32_t in_flight() const noexcept
    {
        return detail::number<std::uint32_t>(
            [&](auto *calls) { return fb_concurrency_in_flight(native_, calls); });
    }
    std::uint32_t limit() const noexcept
    {
        return detail::number<std::uint32_t>(
            [&](auto *calls) { return fb_concurrency_limit(native_, calls); });
    }
    expected<void, error> set_limit(std::uint32_t limit) const
    {
        return detail::changed([&](fb_error *why) { return fb_concurrency_set_limit(native_, limit, why); });
    }

private:
    expected<place, rejected> taken(int status) const noexcept
    {
        rejected why;
        why.reason = static_cast<fb_status>(status);
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return place(native_);
    }
    explicit concurrency(fb_concurrency *native) noexcept : owner(native) {}
};

namespace detail {

struct adaptive_source {
    using raw = fb_adaptive_permit;
    const fb_adaptive *native;
    fb_status settle(raw *permit, std::int32_t how) const noexcept
    {
        return static_cast<fb_status>(fb_adaptive_settle(native, permit, how));
    }
    fb_status settle_at(raw *permit, std::int32_t how, std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(fb_adaptive_settle_at(native, permit, how, now));
    }
    fb_status cancel(raw *permit) const noexcept { return settle(permit, FB_IGNORED); }
};

struct admission_source {
    using raw = fb_permit;
    fb_admission native;
    fb_status settle(raw *permit, std::int32_t how) const noexcept
    {
        return static_cast<fb_status>(fb_admission_settle(&native, permit, how));
    }
    fb_status settle_at(raw *permit, std::int32_t how, std::uint64_t now) const noexcept
    {
        return static_cast<fb_status>(fb_admission_settle_at(&native, permit, how, now));
    }
    fb_status cancel(raw *permit) const noexcept
    {
        return static_cast<fb_status>(fb_admission_cancel(&native, permit));
    }
};

} // namespace detail

/// A place of an adaptive limit, which learns how the call ended.
using adaptive_permit = basic_permit<detail::adaptive_source>;
/// The right to one call of policies that are asked as one.
using admission_permit = basic_permit<detail::admission_source>;

/// The settings of an adaptive limit, filled with the defaults.
inline fb_adaptive_config adaptive_config() noexcept
{
    fb_adaptive_config config = {};
    (void)fb_adaptive_config_init(&config, sizeof config);
    return config;
}

/// Checks the settings of an adaptive limit, without one.
inline expected<void, error> validate(const fb_adaptive_config &config)
{
    return detail::changed(
        [&](fb_error *why) { return fb_adaptive_config_validate(&config, why); });
}

/// A concurrency limit that finds itself.
class adaptive : public detail::owner<fb_adaptive, &fb_adaptive_free>,
                 public detail::calling<adaptive> {
public:
    static expected<adaptive, error> make(const fb_adaptive_config &config = adaptive_config())
    {
        return detail::made<adaptive, fb_adaptive>([&](fb_adaptive **out, fb_error *why) {
            return fb_adaptive_new(&config, out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit adaptive(const fb_adaptive_config &config = adaptive_config()) : adaptive(detail::or_throw(make(config))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static adaptive adopt(fb_adaptive *native) noexcept { return adaptive(native); }

    /// Takes a place for one call.
    expected<adaptive_permit, rejected> try_acquire() const noexcept
    {
        fb_adaptive_permit raw = {};
        return taken(fb_adaptive_try_acquire(native_, &raw), raw);
    }
    expected<adaptive_permit, rejected> try_acquire_at(nanos now) const noexcept
    {
        fb_adaptive_permit raw = {};
        return taken(fb_adaptive_try_acquire_at(native_, now.count(), &raw), raw);
    }
    /// The same for a call of some importance: `sheds_from` is the share of the places that is there
    /// for calls of priority 0.
    expected<adaptive_permit, rejected> try_acquire_prioritized(double sheds_from,
                                                                std::uint8_t priority) const noexcept
    {
        fb_adaptive_permit raw = {};
        const auto ppm = detail::ppm(sheds_from);
        return taken(fb_adaptive_try_acquire_prioritized(native_, ppm, priority, &raw), raw);
    }
    expected<adaptive_permit, rejected>
    try_acquire_prioritized_at(double sheds_from, std::uint8_t priority, nanos now) const noexcept
    {
        fb_adaptive_permit raw = {};
        const auto ppm = detail::ppm(sheds_from);
        return taken(
            fb_adaptive_try_acquire_prioritized_at(native_, ppm, priority, now.count(), &raw), raw);
    }
    /// The usual latency that it goes by; nothing while there is none.
    std::optional<std::chrono::nanoseconds> baseline() const noexcept
    {
        rejected as_wait;
        if (fb_adaptive_baseline(native_, &as_wait.retry_after_ns) != FB_OK) return std::nullopt;
        return as_wait.retry_after();
    }
    std::uint32_t in_flight() const noexcept
    {
        return detail::number<std::uint32_t>(
            [&](auto *calls) { return fb_adaptive_in_flight(native_, calls); });
    }
    std::uint32_t limit() const noexcept
    {
        return detail::number<std::uint32_t>(
            [&](auto *calls) { return fb_adaptive_limit(native_, calls); });
    }
    expected<void, error> configure(const fb_adaptive_config &config) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_adaptive_configure(native_, &config, why);
        });
    }

private:
    expected<adaptive_permit, rejected> taken(int status, fb_adaptive_permit raw) const noexcept
    {
        rejected why;
        why.reason = static_cast<fb_status>(status);
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return adaptive_permit(detail::adaptive_source{native_}, raw);
    }
    explicit adaptive(fb_adaptive *native) noexcept : owner(native) {}
};

/// Policies that are asked as one: all of them admit a call, or none has noticed that it was asked.
/// It refers to them, so they must outlive it.
class admission : public detail::calling<admission> {
public:
    explicit admission(const breaker &first) noexcept : native_()
    {
        native_.struct_size = sizeof native_;
        native_.breaker = first.native_handle();
    }
    /// A limit on calls in flight; it replaces the other kind.
    admission &with(const concurrency &limit) noexcept
    {
        native_.concurrency = limit.native_handle();
        native_.adaptive = nullptr;
        return *this;
    }
    admission &with(const adaptive &limit) noexcept
    {
        native_.adaptive = limit.native_handle();
        native_.concurrency = nullptr;
        return *this;
    }
    admission &with(const token_bucket &limiter) noexcept
    {
        native_.token_bucket = limiter.native_handle();
        return *this;
    }
    /// Asks all of them for one call, of so many units of the token bucket.
    expected<admission_permit, rejected> try_acquire(std::uint64_t cost = 1) const noexcept
    {
        fb_permit raw = {};
        rejected why;
        why.reason = static_cast<fb_status>(
            fb_admission_try_acquire(&native_, cost, &raw, &why.retry_after_ns));
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return admission_permit(detail::admission_source{native_}, raw);
    }
    expected<admission_permit, rejected> try_acquire_at(std::uint64_t cost, nanos now) const noexcept
    {
        fb_permit raw = {};
        rejected why;
        why.reason = static_cast<fb_status>(
            fb_admission_try_acquire_at(&native_, cost, now.count(), &raw, &why.retry_after_ns));
        if (why.reason != FB_OK) return unexpected<rejected>(why);
        return admission_permit(detail::admission_source{native_}, raw);
    }

private:
    fb_admission native_;
};

/// Retries for a share of the requests.
class retry_budget : public detail::owner<fb_retry_budget, &fb_retry_budget_free> {
public:
    static expected<retry_budget, error> make(double ratio = 0.2, std::uint32_t minimum_per_second = 10, nanos ttl = std::chrono::seconds(10))
    {
        return detail::made<retry_budget, fb_retry_budget>([&](fb_retry_budget **out, fb_error *why) {
            return fb_retry_budget_new(detail::ppm(ratio), minimum_per_second, ttl.count(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit retry_budget(double ratio = 0.2, std::uint32_t minimum_per_second = 10,
                          nanos ttl = std::chrono::seconds(10)) : retry_budget(detail::or_throw(make(ratio, minimum_per_second, ttl))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static retry_budget adopt(fb_retry_budget *native) noexcept { return retry_budget(native); }

    /// Counts a request, not a retry.
    void deposit() const noexcept { (void)fb_retry_budget_deposit(native_); }
    void deposit_at(nanos now) const noexcept
    {
        (void)fb_retry_budget_deposit_at(native_, now.count());
    }
    /// Takes one retry.
    expected<void, rejected> withdraw() const noexcept
    {
        return detail::decided([&](auto *wait) { return fb_retry_budget_withdraw(native_, wait); });
    }
    expected<void, rejected> withdraw_at(nanos now) const noexcept
    {
        return detail::decided(
            [&](auto *wait) { return fb_retry_budget_withdraw_at(native_, now.count(), wait); });
    }
    /// How many could be taken at once.
    std::uint64_t available() const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) { return fb_retry_budget_available(native_, units); });
    }
    std::uint64_t available_at(nanos now) const noexcept
    {
        return detail::number<std::uint64_t>([&](auto *units) {
            return fb_retry_budget_available_at(native_, now.count(), units);
        });
    }
    expected<void, error> configure(double ratio, std::uint32_t minimum_per_second) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_retry_budget_configure(native_, detail::ppm(ratio), minimum_per_second, why);
        });
    }

private:
    explicit retry_budget(fb_retry_budget *native) noexcept : owner(native) {}
};

/// A client rejects requests itself that its backend would refuse.
class throttle : public detail::owner<fb_throttle, &fb_throttle_free> {
public:
    static expected<throttle, error> make(std::uint64_t seed, double multiplier = 2, nanos window = std::chrono::seconds(120), std::uint32_t minimum_requests = 10)
    {
        return detail::made<throttle, fb_throttle>([&](fb_throttle **out, fb_error *why) {
            return fb_throttle_new(detail::ppm(multiplier), window.count(), minimum_requests, seed, out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit throttle(std::uint64_t seed, double multiplier = 2,
                      nanos window = std::chrono::seconds(120), std::uint32_t minimum_requests = 10) : throttle(detail::or_throw(make(seed, multiplier, window, minimum_requests))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static throttle adopt(fb_throttle *native) noexcept { return throttle(native); }

    /// Whether to send a request; then tell whether the backend took it.
    bool try_acquire() const noexcept { return fb_throttle_try_acquire(native_) == FB_OK; }
    bool try_acquire_at(nanos now) const noexcept
    {
        return fb_throttle_try_acquire_at(native_, now.count()) == FB_OK;
    }
    void accepted() const noexcept { (void)fb_throttle_accepted(native_); }
    void accepted_at(nanos now) const noexcept
    {
        (void)fb_throttle_accepted_at(native_, now.count());
    }
    void refused() const noexcept { (void)fb_throttle_refused(native_); }
    void refused_at(nanos now) const noexcept
    {
        (void)fb_throttle_refused_at(native_, now.count());
    }
    /// Requests in the window, and how many of them the backend accepted.
    std::pair<std::uint64_t, std::uint64_t> counts() const noexcept
    {
        std::uint64_t requests = 0, accepts = 0;
        (void)fb_throttle_counts(native_, &requests, &accepts);
        return {requests, accepts};
    }
    std::pair<std::uint64_t, std::uint64_t> counts_at(nanos now) const noexcept
    {
        std::uint64_t requests = 0, accepts = 0;
        (void)fb_throttle_counts_at(native_, now.count(), &requests, &accepts);
        return {requests, accepts};
    }
    /// The share of the requests that is rejected here at the moment.
    double rejection_share() const noexcept
    {
        return detail::number<std::uint32_t>(
                   [&](auto *ppm) { return fb_throttle_rejection_share(native_, ppm); }) /
               1e6;
    }
    double rejection_share_at(nanos now) const noexcept
    {
        return detail::number<std::uint32_t>([&](auto *ppm) {
                   return fb_throttle_rejection_share_at(native_, now.count(), ppm);
               }) /
               1e6;
    }
    /// `window` and `seed`: what it was made with.
    expected<void, error> configure(std::uint64_t seed, double multiplier, nanos window,
                                    std::uint32_t minimum_requests) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_throttle_configure(native_, detail::ppm(multiplier), window.count(),
                                         minimum_requests, seed, why);
        });
    }

private:
    explicit throttle(fb_throttle *native) noexcept : owner(native) {}
};

/// Says whether a request that leaves a queue is still worth serving.
class codel : public detail::owner<fb_codel, &fb_codel_free> {
public:
    static expected<codel, error> make(nanos target = std::chrono::milliseconds(5), nanos interval = std::chrono::milliseconds(100))
    {
        return detail::made<codel, fb_codel>([&](fb_codel **out, fb_error *why) {
            return fb_codel_new(target.count(), interval.count(), out, why);
        });
    }
#if defined(FUSEBOARD_HAS_EXCEPTIONS)
    explicit codel(nanos target = std::chrono::milliseconds(5),
                   nanos interval = std::chrono::milliseconds(100)) : codel(detail::or_throw(make(target, interval))) {}
#endif
    /// Takes over what a function of fuseboard.h made.
    static codel adopt(fb_codel *native) noexcept { return codel(native); }

    /// `enqueued`: when it came into the queue, by std::chrono::steady_clock.
    bool try_serve(nanos enqueued) const noexcept
    {
        return fb_codel_try_serve(native_, enqueued.count()) == FB_OK;
    }
    bool try_serve_at(nanos enqueued, nanos now) const noexcept
    {
        return fb_codel_try_serve_at(native_, enqueued.count(), now.count()) == FB_OK;
    }
    /// Whether it drops requests at the moment.
    bool is_shedding() const noexcept
    {
        return detail::number<std::int32_t>(
                   [&](auto *shedding) { return fb_codel_is_shedding(native_, shedding); }) == 1;
    }
    expected<void, error> configure(nanos target, nanos interval) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_codel_configure(native_, target.count(), interval.count(), why);
        });
    }

private:
    explicit codel(fb_codel *native) noexcept : owner(native) {}
};

/// How long calls take; each costs one addition.
class latency_histogram
    : public detail::owner<fb_latency_histogram, &fb_latency_histogram_free> {
public:
    static expected<latency_histogram, error> make()
    {
        return detail::made<latency_histogram, fb_latency_histogram>(&fb_latency_histogram_new);
    }
    static latency_histogram adopt(fb_latency_histogram *native) noexcept
    {
        return latency_histogram(native);
    }
    void record(nanos latency) const noexcept
    {
        (void)fb_latency_histogram_record(native_, latency.count());
    }
    /// How long that share of the calls took at most; nothing when none was counted.
    std::optional<std::chrono::nanoseconds> quantile(double share) const noexcept
    {
        rejected as_wait;
        const auto ppm = detail::ppm(share);
        if (fb_latency_histogram_quantile(native_, ppm, &as_wait.retry_after_ns) != FB_OK)
            return std::nullopt;
        return as_wait.retry_after();
    }
    std::uint64_t calls() const noexcept
    {
        return detail::number<std::uint64_t>(
            [&](auto *calls) { return fb_latency_histogram_totals(native_, calls, nullptr); });
    }
    /// All that it has counted.
    latency_counts read() const noexcept
    {
        latency_counts counts;
        (void)fb_latency_histogram_read(native_, counts.fill());
        return counts;
    }

private:
    explicit latency_histogram(fb_latency_histogram *native) noexcept : owner(native) {}
};

/// Any policy, decided and counted but never enforced: to try a setting on real traffic.
class shadow : public detail::owner<fb_shadow, &fb_shadow_free> {
public:
    static expected<shadow, error> make()
    {
        return detail::made<shadow, fb_shadow>(&fb_shadow_new);
    }
    /// Takes over what a function of fuseboard.h made.
    static shadow adopt(fb_shadow *native) noexcept { return shadow(native); }

    /// The permit of a request that a policy admits; nothing for one that it would have rejected,
    /// which is counted, and whose call is made all the same.
    template <class Permit> std::optional<Permit> admit(expected<Permit, rejected> decision) const noexcept
    {
        (void)fb_shadow_admit(native_, decision ? FB_OK : decision.error().reason);
        if (!decision) return std::nullopt;
        return *std::move(decision);
    }
    /// Counts the decision of a policy that gives no permit.
    void admit(const expected<void, rejected> &decision) const noexcept
    {
        (void)fb_shadow_admit(native_, decision ? FB_OK : decision.error().reason);
    }
    /// How many requests would have been rejected, with this answer.
    std::uint64_t would_reject(fb_status rejection) const noexcept
    {
        return detail::number<std::uint64_t>(
            [&](auto *count) { return fb_shadow_would_reject(native_, rejection, count); });
    }

private:
    explicit shadow(fb_shadow *native) noexcept : owner(native) {}
};

#if defined(__linux__)

/// What to do about a name that runs with another configuration.
enum class when_different : std::int32_t {
    refuse = FB_WHEN_DIFFERENT_REFUSE,
    update = FB_WHEN_DIFFERENT_UPDATE,
    keep = FB_WHEN_DIFFERENT_KEEP
};

/// Named breakers and limits that all processes of a host share. What it gives is of the same types
/// as those of one process, and outlives it.
class board : public detail::owner<fb_board, &fb_board_close> {
public:
    /// The board in a file on tmpfs. `flags`: FB_BOARD_ON_DISK, FB_BOARD_EXISTING.
    static expected<board, error> open(const std::string &path, std::uint32_t flags = 0)
    {
        return detail::made<board, fb_board>([&](fb_board **out, fb_error *why) {
            return fb_board_open(path.c_str(), flags, out, why);
        });
    }
    /// One without a name, for this process and the children that it forks.
    static expected<board, error> open_anonymous()
    {
        return detail::made<board, fb_board>(&fb_board_open_anonymous);
    }
    /// One of this process alone.
    static expected<board, error> open_private()
    {
        return detail::made<board, fb_board>(
            [](fb_board **out, fb_error *) { return fb_board_open_private(out); });
    }
    static board adopt(fb_board *native) noexcept { return board(native); }

    expected<fuseboard::breaker, error>
    breaker(const std::string &name, const breaker_config &config = {},
            when_different different = when_different::refuse) const
    {
        if (auto why = config.refused()) return unexpected<error>(*why);
        return detail::made<fuseboard::breaker, fb_breaker>([&](fb_breaker **out, fb_error *why) {
            return fb_board_breaker(native_, name.c_str(), &config.native(), number(different), out,
                                    why);
        });
    }
    expected<fuseboard::token_bucket, error>
    token_bucket(const std::string &name, rate sustained, std::uint64_t burst,
                 when_different different = when_different::refuse) const
    {
        return detail::made<fuseboard::token_bucket, fb_token_bucket>(
            [&](fb_token_bucket **out, fb_error *why) {
                return fb_board_token_bucket(native_, name.c_str(), sustained.units,
                                             sustained.per.count(), burst, number(different), out,
                                             why);
            });
    }
    expected<fuseboard::concurrency, error>
    concurrency(const std::string &name, std::uint32_t limit,
                when_different different = when_different::refuse) const
    {
        return detail::made<fuseboard::concurrency, fb_concurrency>(
            [&](fb_concurrency **out, fb_error *why) {
                return fb_board_concurrency(native_, name.c_str(), limit, number(different), out,
                                            why);
            });
    }
    /// Whether other processes can see it.
    bool is_shared() const noexcept
    {
        return detail::number<std::int32_t>(
                   [&](auto *shared) { return fb_board_is_shared(native_, shared); }) == 1;
    }
    /// Calls `listener` for each change of a breaker after `cursor`, whichever process caused it, and
    /// moves it on; returns how many are not there any more. A cursor of zeros begins with the first.
    template <class Listener>
    std::uint64_t transitions(fb_board_cursor &cursor, Listener &&listener) const noexcept
    {
        using Heard = std::remove_reference_t<Listener>;
        static_assert(std::is_nothrow_invocable_v<Heard &, const fb_board_transition &>,
                      "declare the listener noexcept: nothing may unwind into the library");
        const auto call = [](void *user, const fb_board_transition *change) {
            (*static_cast<Heard *>(user))(*change);
        };
        std::uint64_t lost = 0;
        (void)fb_board_transitions(native_, &cursor, call, &listener, &lost);
        return lost;
    }
    /// The cursor of somebody who wants to know only what changes from now on.
    fb_board_cursor transitions_end() const noexcept
    {
        fb_board_cursor cursor = {};
        (void)fb_board_transitions_end(native_, &cursor);
        return cursor;
    }

private:
    static std::int32_t number(when_different different) noexcept
    {
        return static_cast<std::int32_t>(different);
    }
    explicit board(fb_board *native) noexcept : owner(native) {}
};

/// A policy that somebody else owns, used like a pointer to it.
template <class Policy> class borrowed {
public:
    template <class Native>
    explicit borrowed(const Native *native) noexcept
        // Its const members are all that can be reached, and nothing here frees it.
        : policy_(Policy::adopt(const_cast<Native *>(native)))
    {
    }
    borrowed(const borrowed &other) noexcept : borrowed(other.policy_.native_handle()) {}
    borrowed &operator=(const borrowed &) = delete;
    ~borrowed() {}
    const Policy &operator*() const noexcept { return policy_; }
    const Policy *operator->() const noexcept { return &policy_; }

private:
    union {
        Policy policy_;
    };
};

/// How a configuration is written down.
enum class format : std::int32_t {
    toml = FB_FORMAT_TOML,
    yaml = FB_FORMAT_YAML,
    json = FB_FORMAT_JSON
};

/// The breakers and limits that a configuration names, running. What it gives is its own and goes
/// with it.
class policies : public detail::owner<fb_policies, &fb_policies_free> {
public:
    static expected<policies, error> from_text(const std::string &text, format written,
                                               const board *on = nullptr)
    {
        return detail::made<policies, fb_policies>([&](fb_policies **out, fb_error *why) {
            return fb_policies_from_text(text.c_str(), number(written), native(on), out, why);
        });
    }
    /// From a file, whose extension says the format.
    static expected<policies, error> from_path(const std::string &path, const board *on = nullptr)
    {
        return detail::made<policies, fb_policies>([&](fb_policies **out, fb_error *why) {
            return fb_policies_from_path(path.c_str(), native(on), out, why);
        });
    }
    /// Calls `listener(is_error, line)` for all that is wrong with a configuration, or will probably do
    /// harm. Whether it can be used.
    template <class Listener> static bool check(const std::string &text, format written, Listener &&listener)
    {
        using Heard = std::remove_reference_t<Listener>;
        static_assert(std::is_nothrow_invocable_v<Heard &, bool, const char *>,
                      "declare the listener noexcept: nothing may unwind into the library");
        const auto call = [](void *user, std::int32_t is_error, const char *line) {
            (*static_cast<Heard *>(user))(is_error == 1, line);
        };
        return fb_policies_check(text.c_str(), number(written), call, &listener) == FB_OK;
    }
    /// Takes over what a function of fuseboard.h made.
    static policies adopt(fb_policies *native) noexcept { return policies(native); }

    /// Takes over another configuration, or nothing of it.
    expected<void, error> reload_text(const std::string &text, format written) const
    {
        return detail::changed([&](fb_error *why) {
            return fb_policies_reload_text(native_, text.c_str(), number(written), why);
        });
    }
    expected<void, error> reload_path(const std::string &path) const
    {
        return detail::changed(
            [&](fb_error *why) { return fb_policies_reload_path(native_, path.c_str(), why); });
    }
    /// Each of these is nothing where no configuration so far had the name.
    std::optional<borrowed<fuseboard::breaker>> breaker(const std::string &name) const
    {
        return named<fuseboard::breaker, fb_breaker>(&fb_policies_breaker, name);
    }
    std::optional<borrowed<fuseboard::token_bucket>> token_bucket(const std::string &name) const
    {
        return named<fuseboard::token_bucket, fb_token_bucket>(&fb_policies_token_bucket, name);
    }
    std::optional<borrowed<fuseboard::sliding_log>> sliding_log(const std::string &name) const
    {
        return named<fuseboard::sliding_log, fb_sliding_log>(&fb_policies_sliding_log, name);
    }
    std::optional<borrowed<fuseboard::concurrency>> concurrency(const std::string &name) const
    {
        return named<fuseboard::concurrency, fb_concurrency>(&fb_policies_concurrency, name);
    }

private:
    template <class Policy, class Native, class Find>
    std::optional<borrowed<Policy>> named(Find find, const std::string &name) const
    {
        const Native *native = nullptr;
        if (find(native_, name.c_str(), &native) != FB_OK) return std::nullopt;
        return borrowed<Policy>(native);
    }
    static const fb_board *native(const board *on) noexcept
    {
        return on == nullptr ? nullptr : on->native_handle();
    }
    static std::int32_t number(format written) noexcept
    {
        return static_cast<std::int32_t>(written);
    }
    explicit policies(fb_policies *native) noexcept : owner(native) {}
};

#endif // __linux__
#endif // FB_HOSTED

} // namespace fuseboard

#endif // FUSEBOARD_HPP
