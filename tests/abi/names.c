/* The library that is loaded matches the header: versions, and a name for every status. */
#include <aipool.h>
#include <stdio.h>
#include <string.h>

#define STATUS(name) {name, #name}

static const struct {
    int32_t status;
    const char *name;
} statuses[] = {
    STATUS(AIP_OK),
    STATUS(AIP_INVALID_ARGUMENT),
    STATUS(AIP_INVALID_HANDLE),
    STATUS(AIP_CLOSED),
    STATUS(AIP_TIMEOUT),
    STATUS(AIP_CANCELLED),
    STATUS(AIP_INTERRUPTED),
    STATUS(AIP_LIMIT),
    STATUS(AIP_DNS),
    STATUS(AIP_CONNECT),
    STATUS(AIP_TLS),
    STATUS(AIP_PROTOCOL),
    STATUS(AIP_RESET),
    STATUS(AIP_BODY),
    STATUS(AIP_TOO_LARGE),
    STATUS(AIP_TRUNCATED),
    STATUS(AIP_UNSUPPORTED),
    STATUS(AIP_END),
    STATUS(AIP_WOULD_BLOCK),
    STATUS(AIP_BUSY),
    STATUS(AIP_NOT_CONFIGURED),
    STATUS(AIP_AUTH),
    STATUS(AIP_RATE_LIMITED),
    STATUS(AIP_QUOTA),
    STATUS(AIP_PROVIDER),
    STATUS(AIP_SYSTEM),
    STATUS(AIP_PANIC),
    {-1, "AIP_UNKNOWN"},
    {9999, "AIP_UNKNOWN"},
};

int main(void)
{
    int wrong = AIP_ABI_GUARD() != AIP_ABI_VERSION || aip_abi_version() != AIP_ABI_VERSION || strcmp(aip_version(), AIP_VERSION) != 0;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        wrong |= strcmp(aip_status_name(statuses[i].status), statuses[i].name) != 0;
    if (wrong)
        puts("names: the library does not match its header");
    return wrong;
}
