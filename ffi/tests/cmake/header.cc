// The headers are enough by themselves.
#include <fuseboard.hpp>

int header_is_enough()
{
    return fuseboard::breaker_config().native().minimum_requests == 20 ? FB_OK : FB_EINVAL;
}
