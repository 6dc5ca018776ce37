/// One thing that happened to a submitted request.
#pragma once

#include <aipool/response.hpp>
#include <aipool/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace aipool {
inline namespace v0 {

/// What happened to a submitted request. Since 0.1.
enum class completion_kind : std::uint32_t {
    none = 0,                            ///< Nothing: this completion was not written to.
    head = AIP_COMPLETION_HEAD,          ///< A stream's head came; its body follows.
    readable = AIP_COMPLETION_READABLE,  ///< Reading the stream is worth while again, after status::would_block.
    writable = AIP_COMPLETION_WRITABLE,  ///< Writing the upload is worth while again, after status::would_block.
    done = AIP_COMPLETION_DONE,          ///< The one end. What is unread of a stream can still be read.
};

/// One thing that happened to a submitted request: a move-only value that owns what came. For one thread at a time.
/// Since 0.1.
struct completion {
    /// What the request was submitted with.
    std::uint64_t tag = 0;
    /// What happened.
    completion_kind kind = completion_kind::none;
    /// With done: how the request failed; status::ok where it did not.
    aipool::error error;
    /// With done: the response, where the request was no stream and did not fail.
    std::optional<aipool::response> response;
    /// With head: the stream.
    std::optional<aipool::stream> stream;
};

namespace impl {

/// Takes a completion over from C, its response first: what throws later frees it.
inline completion to_completion(const aip_completion& from)
{
    response came = adopt::whole(from.response);
    completion to;
    to.tag = from.tag;
    to.kind = static_cast<completion_kind>(from.kind);
    const bool failed = from.status != AIP_OK;
    if (failed) to.error = to_error(from.error);
    if (from.response == nullptr) return to;
    if (to.kind == completion_kind::head) {
        to.stream = adopt::head(std::move(came));
    } else if (failed) {
        add_words(to.error, from.response);
        to.error.partial = std::make_shared<const response>(std::move(came));
    } else {
        to.response = std::move(came);
    }
    return to;
}

/// How a request that was no stream ended.
inline result<response> outcome_of(completion&& end)
{
    if (end.response) return *std::move(end.response);
    return std::move(end.error);
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
