/// What went wrong, as a value and as an exception.
#pragma once

#include <aipool/status.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace aipool {
inline namespace v0 {

class response;

/// What went wrong: a copyable value without ties to the library. Since 0.1.
struct error {
    aipool::status status = aipool::status::ok;              ///< The class.
    aipool::detail detail = aipool::detail::none;            ///< What within the class.
    aipool::phase phase = aipool::phase::none;               ///< Where in the life of the request.
    aipool::delivery delivery = aipool::delivery::not_sent;  ///< Whether the server can have seen the request.
    int http_status = 0;                                     ///< The response's status, 0 where none came.
    int os_error = 0;                                        ///< The operating system's number (errno), or 0.
    std::chrono::milliseconds elapsed{0};                    ///< From the call to the failure.
    std::chrono::milliseconds retry_after{0};                ///< The server wants to be left alone so long; 0: it did not say.
    bool retryable = false;                                  ///< Sending the same request again is safe.
    std::string message;                                     ///< What happened, which field, and the mend.

    /// Of a client's call: the provider's own code for the failure; empty where it said none.
    std::string provider_code;
    /// Of a client's call: the provider's words, 4 kB at most. They may quote what was sent.
    std::string provider_text;

    /// The answer as far as it came, with too_large and truncated, and with a provider's refusal; else empty. Shared by copies
    /// of this error.
    std::shared_ptr<const response> partial;

    /// The status as a std::error_code. Since 0.1.
    std::error_code code() const noexcept { return make_error_code(status); }
};

/// What result::value() throws: the whole error, copied. Since 0.1.
class exception : public std::system_error {
public:
    /// An exception over an error of yours. Since 0.1.
    explicit exception(aipool::error failure)
        : std::system_error(failure.code(), failure.message),
          error_(std::make_shared<const aipool::error>(std::move(failure)))
    {
    }

    /// The error, as long as a copy of this exception lives. Since 0.1.
    const aipool::error& error() const noexcept { return *error_; }

private:
    std::shared_ptr<const aipool::error> error_;  // Shared, because copying an exception must not throw.
};

namespace impl {

inline error to_error(const aip_error& from)
{
    error to;
    to.status = static_cast<status>(from.status);
    to.detail = static_cast<detail>(from.detail);
    to.phase = static_cast<phase>(from.phase);
    to.delivery = static_cast<delivery>(from.delivery);
    to.http_status = from.http_status;
    to.os_error = from.os_error;
    to.elapsed = std::chrono::milliseconds(from.elapsed_ms);
    to.retry_after = std::chrono::milliseconds(from.retry_after_ms);
    to.retryable = (from.flags & AIP_ERROR_RETRYABLE) != 0;
    to.message = from.message;
    return to;
}

/// An error that the binding itself finds before the library is called.
inline error own_error(status what, std::string message)
{
    error own;
    own.status = what;
    own.message = std::move(message);
    return own;
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
