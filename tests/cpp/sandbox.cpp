#include "sandbox.hpp"

#include "harness.hpp"

#include <atomic>
#include <cstdlib>

namespace sandbox {

std::string env(const char* name)
{
    const char* value = std::getenv(name);
    if (value == nullptr) fail(std::string(name) + " is not set: run this under scripts/with-sandbox");
    return value;
}

std::string control(const std::string& method, const std::string& path)
{
    static const aipool::pool pool = aipool::pool::open().value();
    aipool::request call;
    call.method = method;
    call.url = "/control/" + path;
    auto answer = pool.request(env("AIPOOL_SANDBOX_HTTP"), call).value();
    if (answer.status() != 200) fail(method + " " + path + ": " + std::move(answer).body());
    return std::move(answer).body();
}

std::string field(const std::string& lines, const std::string& key)
{
    const std::size_t at = ("\n" + lines).find("\n" + key + "=");
    if (at == std::string::npos) fail("no " + key + "= in " + shown(lines));
    const std::size_t from = at + key.size() + 1;
    return lines.substr(from, lines.find('\n', from) - from);
}

void wait_held(const std::string& name, int count)
{
    control("GET", "wait-held/" + name + "?count=" + std::to_string(count));
}

void release(const std::string& name) { control("POST", "release/" + name); }

std::string fresh_name()
{
    static std::atomic<int> last{0};
    return "cpp-" + std::to_string(++last);
}

listener::listener()
{
    const std::string lines = control("POST", "listeners");
    id = field(lines, "id");
    http = field(lines, "http");
    https = field(lines, "https");
}

std::uint64_t listener::count(const std::string& counter) const
{
    return std::stoull(field(control("GET", "stats?id=" + id), counter));
}

aipool::session_options trusting()
{
    aipool::session_options options;
    options.ca_file = env("AIPOOL_SANDBOX_CA_PEM");
    return options;
}

aipool::request chat(const std::string& words, const std::string& fault)
{
    aipool::request request;
    request.method = "POST";
    request.url = "/v1/chat/completions";
    request.headers = {{"content-type", "application/json"}};
    request.body = R"({"model": "m", "stream": true, "messages": [{"role": "user", "content": ")" + words + R"("}]})";
    if (!fault.empty()) request.headers.emplace_back("x-sandbox", fault);
    return request;
}

held_request::held_request(const aipool::session& session)
    : outcome_(std::async(std::launch::async, [this, &session] { return session.get("/hold/" + name_); }))
{
    wait_held(name_);
}

held_request::~held_request()
{
    if (outcome_.valid()) sandbox::release(name_);
}

aipool::result<aipool::response> held_request::release()
{
    sandbox::release(name_);
    return outcome();
}

aipool::result<aipool::response> held_request::outcome()
{
    return outcome_.get();
}

}  // namespace sandbox
