/// The leak report.
#pragma once

#include <aipool/handle.hpp>

#include <string>

namespace aipool {
inline namespace v0 {

/// This process's live handles by kind and age, whoever made them: a line of JSON for each kind that has any, as
/// aip_live_handles() in aipool.h says. For a look, not for each request. Any thread. Since 0.1.
inline result<std::string> live_handles()
{
    return impl::read_text(
        [](auto text, auto cap, auto needed, auto error) { return aip_live_handles(text, cap, needed, error); });
}

}  // namespace v0
}  // namespace aipool
