/// How clients of AI providers are made.
#pragma once

#include <aipool/options.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace aipool {
inline namespace v0 {

/// Whose service a client speaks to. Since 0.1.
enum class client_kind : std::uint32_t {
    openai = AIP_CLIENT_OPENAI,                ///< OpenAI, and all that speak its chat completions.
    ollama = AIP_CLIENT_OLLAMA,                ///< Ollama's own API.
    gigachat = AIP_CLIENT_GIGACHAT,            ///< GigaChat.
    yandex = AIP_CLIENT_YANDEX,                ///< YandexGPT's own API.
    yandex_openai = AIP_CLIENT_YANDEX_OPENAI,  ///< YandexGPT as OpenAI speaks.
    naparnik = AIP_CLIENT_NAPARNIK,            ///< 1C:Naparnik at code.1c.ai, which documents no API.
    naparnik_compat = AIP_CLIENT_NAPARNIK_COMPAT,  ///< A guide's form for Naparnik: OpenAI's words at another host.
};

/// What a client is made with: a plain struct in which everything unset is the provider's usual. The library copies it and
/// wipes its copies of credentials with the client; this one is yours. Since 0.1.
struct client_options {
    /// Whose service it is.
    aipool::client_kind kind = aipool::client_kind::openai;
    /// Texts that are empty are taken from the environment, under the provider's usual names, while the client is made.
    bool from_environment = false;
    /// The client asks over the session of base_url that its pool shares; false: over one of its own.
    bool pooled = true;
    /// The provider's base URL.
    std::string base_url;
    /// Where tokens are had.
    std::string auth_url;
    /// OpenAI's key; GigaChat's authorization key; Yandex's API key; Naparnik's token.
    std::string api_key;
    /// A token that is used as it is: of GigaChat, or Yandex's IAM.
    std::string access_token;
    /// GigaChat: a user, in place of a key.
    std::string user;
    /// The user's password.
    std::string password;
    /// GigaChat: id and secret, in place of their base64 in `api_key`.
    std::string client_id;
    /// As `client_id`.
    std::string client_secret;
    /// Yandex: an OAuth token, exchanged for IAM tokens.
    std::string oauth_token;
    /// GigaChat: GIGACHAT_API_PERS (the default), GIGACHAT_API_B2B or GIGACHAT_API_CORP.
    std::string scope;
    /// Yandex's folder; OpenAI's project.
    std::string folder;
    /// OpenAI's organization.
    std::string organization;
    /// The model where a call names none.
    std::string model;
    /// The same for embeddings.
    std::string embedding_model;
    /// GigaChat's X-Session-ID: what it has computed of a prompt is found again.
    std::string affinity;
    /// Connections, TLS, limits and headers of all calls. Its limits go over the provider's usual ones, a call's over both.
    session_options session;
    /// Requests at once to this host by this credential, in the whole process, each to the end of its body, 1 to 100000; by
    /// default what the provider is known to allow. Zero is refused.
    std::optional<std::uint64_t> max_concurrency;
    /// Further attempts, up to 10, before the first byte of an answer; by default 2.
    std::optional<std::uint32_t> max_retries;
    /// So many failures in a row, and calls fail at once for a while; by default 5, 0 is never.
    std::optional<std::uint32_t> breaker_failures;
    /// Rates that the provider tells are kept to.
    bool pacing = true;
    /// Yandex: where operations are asked about.
    std::string operations_url;
    /// Yandex: the time between two questions about an operation, by default ten seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> poll_interval;
    /// GigaChat: 1 or 2, the chat of `/v2`; 0 is that of the base URL.
    std::uint32_t api_version = 0;
};

namespace impl {

/// Client options as C reads them: borrowed from the options and from this.
class c_client_options {
public:
    explicit c_client_options(const client_options& from)
    {
        aip_client_options_init(&to_, sizeof to_);
        to_.kind = static_cast<std::uint32_t>(from.kind);
        if (from.from_environment) to_.flags |= AIP_CLIENT_FROM_ENVIRONMENT;
        if (!from.pooled) to_.flags |= AIP_CLIENT_UNPOOLED;
        set_texts(from);
        to_.session = &session_;
        error_ = set(session_, packed_, from.session);
        to_.max_retries = to_c(from.max_retries);
        to_.breaker_failures = to_c(from.breaker_failures);
        to_.pacing = from.pacing ? 0 : AIP_OFF;
        to_.api_version = from.api_version;
        limits all;
        all.set(to_.max_concurrency, from.max_concurrency, "max_concurrency");
        all.set(to_.poll_interval_ms, from.poll_interval, "poll_interval");
        if (!error_) error_ = all.refused();
    }

    c_client_options(const c_client_options&) = delete;
    c_client_options& operator=(const c_client_options&) = delete;

    const aip_client_options* get() const { return &to_; }

    /// What cannot be said in C.
    const std::optional<error>& refused() const { return error_; }

private:
    void set_texts(const client_options& from)
    {
        set(to_.base_url, to_.base_url_len, from.base_url);
        set(to_.auth_url, to_.auth_url_len, from.auth_url);
        set(to_.api_key, to_.api_key_len, from.api_key);
        set(to_.access_token, to_.access_token_len, from.access_token);
        set(to_.user, to_.user_len, from.user);
        set(to_.password, to_.password_len, from.password);
        set(to_.client_id, to_.client_id_len, from.client_id);
        set(to_.client_secret, to_.client_secret_len, from.client_secret);
        set(to_.oauth_token, to_.oauth_token_len, from.oauth_token);
        set(to_.scope, to_.scope_len, from.scope);
        set(to_.folder, to_.folder_len, from.folder);
        set(to_.organization, to_.organization_len, from.organization);
        set(to_.model, to_.model_len, from.model);
        set(to_.embedding_model, to_.embedding_model_len, from.embedding_model);
        set(to_.affinity, to_.affinity_len, from.affinity);
        set(to_.operations_url, to_.operations_url_len, from.operations_url);
    }

    aip_client_options to_{};
    aip_session_options session_{};
    std::string packed_;
    std::optional<error> error_;
};

}  // namespace impl

}  // namespace v0
}  // namespace aipool
