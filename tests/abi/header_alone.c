/* The header needs nothing before it, in C99 and later and in C++17 and later. */
#include <aipool.h>

int main(void)
{
    return AIP_OK;
}
