/// Requests in one line, over the global pool.
#pragma once

#include <aipool/pool.hpp>

#include <string_view>

namespace aipool {
inline namespace v0 {

namespace impl {
/// The session of all one-line requests. It is no URL, so it takes any absolute one, and fills one place of the pool.
inline constexpr std::string_view one_line_key = "";
}  // namespace impl

/// A GET of an absolute URL over the global pool. Since 0.1.
inline result<response> get(std::string_view url)
{
    const auto global = pool::global();
    if (!global) return global.error();
    return global->send(impl::one_line_key, impl::c_request("GET", url, {}));
}

/// A POST of any bytes to an absolute URL over the global pool. Since 0.1.
inline result<response> post(std::string_view url, std::string_view body,
                             std::string_view content_type = "application/json")
{
    const auto global = pool::global();
    if (!global) return global.error();
    impl::c_request what("POST", url, body);
    what.add_header("content-type", content_type);
    return global->send(impl::one_line_key, what);
}

}  // namespace v0
}  // namespace aipool
