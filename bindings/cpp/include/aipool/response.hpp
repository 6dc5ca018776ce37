/// A whole response.
#pragma once

#include <aipool/handle.hpp>
#include <aipool/reply.hpp>
#include <aipool/request.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// One header of a response, borrowed from it. Since 0.1.
struct header_view {
    std::string_view name;   ///< In lower case.
    std::string_view value;  ///< As it came.
};

/// How a connection's TLS began. Since 0.1.
enum class tls_handshake : std::uint32_t {
    none = AIP_TLS_NONE,        ///< No TLS; always said over reqwest.
    full = AIP_TLS_FULL,        ///< A handshake in full.
    resumed = AIP_TLS_RESUMED,  ///< One shortened by a ticket of an earlier connection.
};

/// How a response came. Since 0.1.
struct response_info {
    std::uint32_t http_version = 0;           ///< 10, 11 or 20: HTTP/1.0, 1.1, 2.
    bool reused = false;                      ///< Another request, or warm(), used the connection before.
    std::uint64_t body_bytes = 0;             ///< Bytes of the decoded body.
    std::chrono::microseconds first_byte{0};  ///< From the call to the response's head.
    std::chrono::microseconds total{0};       ///< From the call to the end of the body.
    std::string remote_address;               ///< The server's address and port; empty when unknown.
    std::uint64_t connection_id = 0;          ///< Names the connection in its pool, as events do; 0 over reqwest.
    std::uint32_t attempts = 0;               ///< How often the request went out.
    std::uint32_t redirects = 0;              ///< Redirects followed.
    tls_handshake tls = tls_handshake::none;  ///< How the connection's handshake went.
    bool insecure = false;                    ///< Nobody checked the server's certificate (trust::anybody).

    std::chrono::microseconds queue_time{0};    ///< Waiting for a connection, the dial's own time left out.
    std::chrono::microseconds dns_time{0};      ///< Name look-up, where a connection was opened; likewise the next two.
    std::chrono::microseconds connect_time{0};  ///< TCP and proxy.
    std::chrono::microseconds tls_time{0};      ///< The TLS handshake.
};

namespace impl {
struct adopt;
template <class What, class Call>
result<response> answer(const What& what, Call call);
}  // namespace impl

/// A whole response. Move-only; what it lends (string views) lives as long as it does. Reading never fails: an object
/// moved from has status 0 and nothing else. Since 0.1.
class response {
public:
    /// The HTTP status. Since 0.1.
    int status() const noexcept { return static_cast<int>(aip_response_status(handle_.get())); }

    /// The decoded body: borrowed from this response, or copied from a temporary one. Since 0.1.
    std::string_view body() const& noexcept
    {
        const std::uint8_t* data = nullptr;
        std::size_t size = 0;
        aip_response_body(handle_.get(), &data, &size, nullptr);
        return {reinterpret_cast<const char*>(data), size};
    }
    /// The body, copied from a temporary response. Since 0.1.
    std::string body() const&& { return std::string(body()); }

    /// The first value of a header, by name in any case: borrowed, or copied from a temporary response. Since 0.1.
    std::optional<std::string_view> header(std::string_view name) const& noexcept
    {
        const char* value = nullptr;
        std::size_t size = 0;
        aip_response_header(handle_.get(), name.data(), name.size(), &value, &size);
        if (value == nullptr) return std::nullopt;
        return std::string_view(value, size);
    }
    /// As above, copied from a temporary response. Since 0.1.
    std::optional<std::string> header(std::string_view name) const&&
    {
        const auto value = header(name);
        if (!value) return std::nullopt;
        return std::string(*value);
    }

    /// All headers, repeated ones each in their order: borrowed. Since 0.1.
    std::vector<header_view> headers() const&
    {
        std::vector<header_view> all(aip_response_header_count(handle_.get()));
        for (std::size_t index = 0; index < all.size(); ++index) {
            const char* name = nullptr;
            const char* value = nullptr;
            std::size_t name_size = 0;
            std::size_t value_size = 0;
            aip_response_header_at(handle_.get(), index, &name, &name_size, &value, &value_size);
            all[index] = {{name, name_size}, {value, value_size}};
        }
        return all;
    }
    std::vector<header_view> headers() const&& = delete;

    /// How it came. Since 0.1.
    response_info info() const
    {
        aip_response_info from{};
        aip_response_get_info(handle_.get(), &from, sizeof from);
        response_info to;
        to.http_version = from.http_version;
        to.reused = from.reused != 0;
        to.body_bytes = from.body_bytes;
        to.first_byte = std::chrono::microseconds(from.first_byte_us);
        to.total = std::chrono::microseconds(from.total_us);
        to.remote_address = from.remote_address;
        to.connection_id = from.connection_id;
        to.attempts = from.attempts;
        to.redirects = from.redirects;
        to.tls = static_cast<tls_handshake>(from.tls);
        to.insecure = from.insecure != 0;
        to.queue_time = std::chrono::microseconds(from.queue_us);
        to.dns_time = std::chrono::microseconds(from.dns_us);
        to.connect_time = std::chrono::microseconds(from.connect_us);
        to.tls_time = std::chrono::microseconds(from.tls_us);
        return to;
    }

    /// What it came to, where it answers a client's call: copied. status::invalid_argument for any other. Since 0.1.
    result<aipool::reply> reply() const { return impl::reply_of(handle_.get()); }

    /// The C handle, which stays this object's. Since 0.1.
    aip_response* native_handle() const noexcept { return handle_.get(); }

private:
    template <class What, class Call>
    friend result<response> impl::answer(const What& what, Call call);
    friend struct impl::adopt;

    explicit response(aip_response* owned) noexcept : handle_(owned) {}

    impl::handle<aip_response> handle_;
};

namespace impl {

/// Sends: an answer, or an error with the answer as far as it came.
template <class What, class Call>
result<response> answer(const What& what, Call call)
{
    if (what.refused()) return *what.refused();
    aip_response* handle = nullptr;
    aip_error failure{};
    const auto status = call(what.get(), &handle, &failure);
    response came(handle);
    if (status == AIP_OK) return came;
    error told = to_error(failure);
    if (handle != nullptr) {
        add_words(told, handle);
        told.partial = std::make_shared<const response>(std::move(came));
    }
    return told;
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
