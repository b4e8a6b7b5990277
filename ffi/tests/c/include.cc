// The header is valid C++17, and its enums pass where the functions take numbers.
#include "fuseboard.h"

#include <cstdio>
#include <type_traits>

static_assert(sizeof(fb_permit) == 16);
static_assert(std::is_trivially_copyable_v<fb_breaker_config>);
static_assert(sizeof(fb_status) == sizeof(int32_t));

int main()
{
    fb_breaker_config config;
    fb_breaker *breaker = nullptr;
    fb_permit permit;
    if (fb_breaker_config_init(&config, sizeof config) != FB_OK) return 1;
    config.window_kind = FB_WINDOW_CONSECUTIVE;
    config.window_calls = 1;
    if (fb_breaker_new(&config, &breaker, nullptr) != FB_OK) return 1;
    if (fb_breaker_try_acquire(breaker, &permit, nullptr) != FB_OK) return 1;
    if (fb_breaker_settle(breaker, &permit, FB_FAILURE) != FB_OK) return 1;
    if (fb_breaker_state(breaker) != FB_STATE_OPEN) return 1;
    if (fb_breaker_try_acquire(breaker, &permit, nullptr) != FB_OPEN) return 1;
    fb_breaker_free(breaker);
    std::puts("include: ok");
    return 0;
}
