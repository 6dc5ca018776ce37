/// A program that meets a library of another ABI: its own guard comes before the library's.
#include <aipool.hpp>

#include <cstdio>
#include <cstdlib>

std::uint32_t AIP_ABI_GUARD(void) { return AIP_ABI_VERSION + 1; }

int main()
{
    for (const auto& refused : {aipool::pool::open().error(), aipool::pool::global().error()}) {
        const bool clear = refused.status == aipool::status::unsupported &&
                           refused.message.find("has ABI 2, but aipool.hpp has 1") != std::string::npos;
        if (!clear) {
            std::puts(refused.message.c_str());
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
