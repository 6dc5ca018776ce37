/// How C handles are owned and C functions called. Nothing here is for users.
#pragma once

#include <aipool/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace aipool {
inline namespace v0 {
namespace impl {

struct free_handle {
    void operator()(aip_pool* pool) const noexcept { aip_pool_free(pool); }
    void operator()(aip_session* session) const noexcept { aip_session_free(session); }
    void operator()(aip_response* response) const noexcept { aip_response_free(response); }
    void operator()(aip_cancel* cancel) const noexcept { aip_cancel_free(cancel); }
    void operator()(aip_upload* upload) const noexcept { aip_upload_free(upload); }
    void operator()(aip_queue* queue) const noexcept { aip_queue_free(queue); }
    void operator()(aip_client* client) const noexcept { aip_client_free(client); }
};

/// An owned handle; a NULL one, of an object moved from, is refused by the library.
template <class T>
using handle = std::unique_ptr<T, free_handle>;

/// What is wrong with the library that is loaded; one without the guard is refused by the linker or the loader.
inline std::optional<error> other_abi()
{
    if (AIP_ABI_GUARD() == AIP_ABI_VERSION) return std::nullopt;
    return own_error(status::unsupported, "libaipool " + std::string(aip_version()) + " has ABI " +
                                              std::to_string(AIP_ABI_GUARD()) + ", but aipool.hpp has " +
                                              std::to_string(AIP_ABI_VERSION) + "; load the library that it came with");
}

/// Calls a function whose only result is its status.
template <class Call>
result<void> run(Call call)
{
    aip_error failure{};
    if (call(&failure) != AIP_OK) return to_error(failure);
    return {};
}

/// Calls a function that makes a handle.
template <class T, class Call>
result<handle<T>> make(Call call)
{
    T* made = nullptr;
    aip_error failure{};
    if (call(&made, &failure) != AIP_OK) return to_error(failure);
    return handle<T>(made);
}

/// Calls a function that copies counters out.
template <class Stats, class Call>
result<Stats> read(Call call)
{
    Stats stats{};
    aip_error failure{};
    if (call(&stats, sizeof stats, &failure) != AIP_OK) return to_error(failure);
    return stats;
}

/// Calls a function that copies text of any size out.
template <class Call>
result<std::string> read_text(Call call)
{
    std::string text(std::size_t{16} << 10, '\0');
    for (;;) {
        std::size_t needed = 0;
        auto copied = run([&](auto error) { return call(text.data(), text.size(), &needed, error); });
        const bool fits = needed <= text.size();
        if (!copied && fits) return std::move(copied).error();
        // The text may have grown again when it is asked for again.
        text.resize(fits ? needed : needed + 1024);
        if (fits) return text;
    }
}

/// What a call that need not succeed said: with AIP_WOULD_BLOCK and AIP_END C writes no error.
inline error not_done(std::int32_t ended, const aip_error& failure)
{
    if (ended == AIP_WOULD_BLOCK) return own_error(status::would_block, "nothing yet");
    if (ended == AIP_END) return own_error(status::end, "it has ended");
    return to_error(failure);
}

}  // namespace impl
}  // namespace v0
}  // namespace aipool
