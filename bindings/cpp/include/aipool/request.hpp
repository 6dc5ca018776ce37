/// One request.
#pragma once

#include <aipool/cancel_source.hpp>
#include <aipool/options.hpp>
#include <aipool/upload.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aipool {
inline namespace v0 {

/// One request: a plain struct, copied before anything is sent. All of it unset is a GET of the base URL. Since 0.1.
struct request {
    /// GET, POST, ...
    std::string method = "GET";
    /// An absolute URL, or a path that is appended to the session's base URL: "chat", "/chat", "?q=1".
    std::string url;
    /// Names may repeat and keep their order.
    header_list headers;
    /// Any bytes.
    std::string body;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> connect_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::uint64_t> max_body;
    /// Ends the call from another thread or a signal handler. Borrowed until the call is submitted, which is when it is awaited
    /// where it is; without a queue until the call returns. May be null.
    const cancel_source* cancel = nullptr;
    /// A signal handler of yours that runs on the waiting thread ends the wait with status::interrupted.
    bool interruptible = false;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> queue_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> dns_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> tls_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> send_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> first_byte_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> between_bytes_timeout;
    /// As in session_options, for this request; by default the session's.
    std::optional<std::uint32_t> max_redirects;
    /// As in session_options, for this request; by default the session's.
    std::optional<std::uint32_t> max_retries;
    /// The server may get this request twice: it is sent again over a fresh connection when a reused one broke without a
    /// byte of an answer. Idempotent methods and requests with an Idempotency-Key header need it not.
    bool may_repeat = false;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> first_event_timeout;
    /// As in pool_options, for this request; by default the session's.
    std::optional<std::chrono::milliseconds> between_events_timeout;
    /// The body, pushed while it goes out, in place of `body`. Borrowed as `cancel` is; it serves one request; may be null.
    const aipool::upload* upload = nullptr;
    /// Of a stream: how its events are framed.
    aipool::event_format event_format = aipool::event_format::by_content_type;
    /// Of a stream: most bytes of one event, by default 8 MiB. Zero is refused.
    std::optional<std::uint64_t> max_event_bytes;
    /// Of a stream: the data of the event that ends it ("[DONE]"). One that ends without it is status::truncated when its
    /// events are read. Empty is none.
    std::string end_marker;
};

namespace impl {

inline aip_header to_c(std::string_view name, std::string_view value)
{
    aip_header header{};
    header.name = name.data();
    header.name_len = name.size();
    header.value = value.data();
    header.value_len = value.size();
    return header;
}

/// A request as C reads it; it borrows what it is made of.
class c_request {
public:
    c_request(std::string_view method, std::string_view url, std::string_view body)
    {
        aip_request_init(&request_, sizeof request_);
        request_.method = method.data();
        request_.method_len = method.size();
        request_.url = url.data();
        request_.url_len = url.size();
        request_.body = reinterpret_cast<const std::uint8_t*>(body.data());
        request_.body_len = body.size();
    }

    explicit c_request(const request& from, std::uint32_t flags = 0) : c_request(from.method, from.url, from.body)
    {
        request_.flags = flags;
        headers_.reserve(from.headers.size());
        for (const auto& [name, value] : from.headers) add_header(name, value);
        request_.cancel = from.cancel == nullptr ? nullptr : from.cancel->native_handle();
        if (from.interruptible) request_.flags |= AIP_REQUEST_INTERRUPTIBLE;
        if (from.may_repeat) request_.flags |= AIP_REQUEST_MAY_REPEAT;
        request_.max_redirects = to_c(from.max_redirects);
        request_.max_retries = to_c(from.max_retries);
        request_.upload = from.upload == nullptr ? nullptr : from.upload->native_handle();
        request_.event_format = static_cast<std::uint32_t>(from.event_format);
        set(request_.end_marker, request_.end_marker_len, from.end_marker);
        limits all;
        all.set_all(request_, from);
        all.set(request_.max_event_bytes, from.max_event_bytes, "max_event_bytes");
        error_ = all.refused();
        // C would take the NULL of either for none at all.
        if (from.upload != nullptr && request_.upload == nullptr) {
            error_ = own_error(status::invalid_handle, "upload: this upload was moved from");
        }
        if (from.cancel != nullptr && request_.cancel == nullptr) {
            error_ = own_error(status::invalid_handle, "cancel: this cancel_source was moved from");
        }
    }

    c_request(const c_request&) = delete;
    c_request& operator=(const c_request&) = delete;

    void add_header(std::string_view name, std::string_view value)
    {
        headers_.push_back(to_c(name, value));
        request_.headers = headers_.data();
        request_.header_count = headers_.size();
    }

    const aip_request* get() const { return &request_; }

    /// What cannot be said in C.
    const std::optional<error>& refused() const { return error_; }

private:
    aip_request request_{};
    std::vector<aip_header> headers_;
    std::optional<error> error_;
};

}  // namespace impl

}  // namespace v0
}  // namespace aipool
