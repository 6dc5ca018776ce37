/// What happened lately in this process.
#pragma once

#include <aipool/handle.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// Reads this process's events: connections opened, failed and closed, requests ended, retries and more. A new reader begins
/// with the oldest event that is kept; the library keeps the last 1024. Sessions over reqwest make none.
/// For one thread at a time. Since 0.1.
class event_reader {
public:
    /// The events since the last call: a line of JSON each, oldest first, without paths, headers or bodies. Since 0.1.
    result<std::vector<std::string>> lines()
    {
        std::vector<std::string> all;
        std::string buffer(std::size_t{64} << 10, '\0');
        for (;;) {
            std::size_t size = 0;
            std::uint64_t lost = 0;
            auto read = impl::run([&](auto error) {
                return aip_events_read(after_, buffer.data(), buffer.size(), &size, &after_, &lost, error);
            });
            if (!read) return std::move(read).error();
            lost_ += lost;
            if (size == 0) return all;
            // Every line ends with a line feed.
            for (std::size_t from = 0, end = 0; from < size; from = end + 1) {
                end = buffer.find('\n', from);
                all.push_back(buffer.substr(from, end - from));
            }
        }
    }

    /// How many events were overwritten before this reader came to them. Since 0.1.
    std::uint64_t lost() const noexcept { return lost_; }

private:
    std::uint64_t after_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace v0
}  // namespace aipool
