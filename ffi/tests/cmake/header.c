/* The header is enough by itself. */
#include <fuseboard.h>

int header_is_enough(void);

int header_is_enough(void)
{
    return FB_OK;
}
