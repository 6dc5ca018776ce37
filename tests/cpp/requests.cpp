/// What requests send and responses bring.
#include "harness.hpp"
#include "sandbox.hpp"

using sandbox::listener;
using sandbox::trusting;

/// The lines of /echo's answer: request line, headers, an empty line, the body.
static bool has_line(std::string_view echo, const std::string& line)
{
    return ("\n" + std::string(echo)).find("\n" + line + "\n") != std::string::npos;
}

BEHAVIOUR(request_answers_over_http1)
{
    const listener listener;
    const auto pool = open_pool();
    const auto answer = pool.get_session(listener.http).value().get("/echo").value();
    CHECK_EQUAL(answer.status(), 200);
    CHECK_EQUAL(answer.info().http_version, 11U);
    CHECK_EQUAL(answer.info().body_bytes, answer.body().size());
    CHECK_CONTAINS(answer.info().remote_address, "127.0.0.1:");
    CHECK_EQUAL(listener.count("http1_requests"), 1U);
}

BEHAVIOUR(request_answers_over_http2_tls)
{
    const listener listener;
    const auto pool = open_pool();
    const auto answer = pool.get_session(listener.https, trusting()).value().get("/echo").value();
    CHECK_EQUAL(answer.status(), 200);
    CHECK_EQUAL(answer.info().http_version, 20U);
    CHECK_EQUAL(listener.count("http2_requests"), 1U);
}

BEHAVIOUR(warm_connection_is_reused)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    CHECK(!session.get("/echo").value().info().reused);
    for (int i = 0; i < 4; ++i) CHECK(session.get("/echo").value().info().reused);
    CHECK_EQUAL(listener.count("connections_opened"), 1U);
    CHECK_EQUAL(pool.stats().value().connections_opened, 1U);
    CHECK_EQUAL(pool.stats().value().requests_reused, 4U);
    CHECK_EQUAL(session.stats().value().requests, 5U);
}

BEHAVIOUR(headers_keep_duplicates_and_order)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/echo";
    request.headers = {{"X-Twice", "first"}, {"x-once", "1"}, {"x-twice", "second"}};
    const auto answer = pool.request(listener.http, request).value();
    const std::string echo(answer.body());
    CHECK(has_line(echo, "x-once: 1"));
    CHECK(echo.find("x-twice: first") < echo.find("x-twice: second"));
    CHECK(has_line(echo, "x-twice: first") && has_line(echo, "x-twice: second"));

    std::vector<std::string> came;
    for (const auto [name, value] : answer.headers()) {
        if (name == "x-dup") came.emplace_back(value);
    }
    CHECK(came == std::vector<std::string>({"one", "two"}));
    CHECK_EQUAL(answer.header("X-DUP").value(), "one");
    CHECK(!answer.header("x-absent"));
}

BEHAVIOUR(body_round_trips_binary)
{
    const listener listener;
    const auto pool = open_pool();
    std::string every_byte;
    for (int i = 0; i < 1024; ++i) every_byte.push_back(static_cast<char>(i % 256));
    const auto session = pool.get_session(listener.http).value();
    const auto answer = session.post("/echo", every_byte, "application/octet-stream").value();
    const auto body = answer.body();
    CHECK(body.size() > every_byte.size());
    CHECK(body.substr(body.size() - every_byte.size()) == every_byte);
    CHECK(has_line(body, "content-type: application/octet-stream"));
    CHECK_EQUAL(listener.count("bytes_in"), every_byte.size());
}

BEHAVIOUR(relative_url_is_appended_to_base)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http + "/echo/").value();
    CHECK_CONTAINS(session.get("").value().body(), "GET /echo ");
    CHECK_CONTAINS(session.get("?q=1").value().body(), "GET /echo?q=1 ");
    const auto below = pool.get_session(listener.http + "/status").value();
    CHECK_EQUAL(below.get("/201").value().status(), 201);
    CHECK_EQUAL(below.get("202").value().status(), 202);
}

BEHAVIOUR(absolute_url_goes_to_another_host)
{
    const listener mine;
    const listener other;
    const auto pool = open_pool();
    const auto session = pool.get_session(mine.http).value();
    CHECK_EQUAL(session.get(other.http + "/status/204").value().status(), 204);
    CHECK_EQUAL(mine.count("requests"), 0U);
    CHECK_EQUAL(other.count("requests"), 1U);
}

BEHAVIOUR(opaque_key_takes_absolute_urls_only)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session("my service").value();
    CHECK_EQUAL(session.get(listener.http + "/echo").value().status(), 200);
    const auto relative = session.get("/echo");
    CHECK_EQUAL(status_of(relative), aipool::status::invalid_argument);
    CHECK_CONTAINS(relative.error().message, "url");
}

BEHAVIOUR(status_400_is_a_response)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    CHECK_EQUAL(session.get("/status/400").value().status(), 400);
    CHECK_EQUAL(session.get("/status/503").value().status(), 503);
    CHECK_EQUAL(session.stats().value().failures, 0U);
}

BEHAVIOUR(gzip_br_zstd_are_decoded)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    std::string wanted;
    for (int i = 0; i < 1000; ++i) wanted += "hello from the sandbox\n";
    for (const char* coding : {"gzip", "br", "zstd"}) {
        CHECK(session.get(std::string("/encoded/") + coding).value().body() == wanted);
    }
}

BEHAVIOUR(redirects_are_followed_on_request)
{
    const listener here;
    const listener there;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/redirect?to=" + there.http + "/redirect?to=/echo";
    request.headers = {{"authorization", "Bearer secret"}, {"x-mine", "yes"}};
    request.max_redirects = 2;
    const auto outcome = pool.request(here.http, request);
    if (lacks_over_reqwest(outcome, "max_redirects: ")) return;
    CHECK_EQUAL(outcome->status(), 200);
    CHECK_EQUAL(outcome->info().redirects, 2U);
    CHECK(has_line(outcome->body(), "x-mine: yes"));
    CHECK(outcome->body().find("secret") == std::string_view::npos);
    CHECK_EQUAL(here.count("requests"), 1U);
    CHECK_EQUAL(there.count("requests"), 2U);
    request.max_redirects = 1;
    const auto one_too_many = pool.request(here.http, request);
    CHECK_EQUAL(status_of(one_too_many), aipool::status::protocol);
    CHECK_EQUAL(one_too_many.error().detail, aipool::detail::redirect);
    request.max_redirects = 0;
    CHECK_EQUAL(pool.request(here.http, request).value().status(), 302);
}

BEHAVIOUR(redirects_are_not_followed_unasked)
{
    const listener listener;
    aipool::request request;
    request.url = "/redirect?to=/echo";
    const auto answer = open_pool().request(listener.http, request).value();
    CHECK_EQUAL(answer.status(), 302);
    CHECK_EQUAL(answer.header("location").value(), "/echo");
    CHECK_EQUAL(answer.info().redirects, 0U);
    CHECK_EQUAL(listener.count("requests"), 1U);
}

BEHAVIOUR(retries_follow_retry_after)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/echo";
    request.headers = {{"x-sandbox", "status=503, retry-after=1"}};
    CHECK_EQUAL(pool.request(listener.http, request).value().info().attempts, 1U);
    request.max_retries = 1;
    const auto outcome = pool.request(listener.http, request);
    if (lacks_over_reqwest(outcome, "max_retries: ")) return;
    CHECK_EQUAL(outcome->status(), 503);
    CHECK_EQUAL(outcome->info().attempts, 2U);
    CHECK(outcome->info().total >= std::chrono::seconds(1));
    CHECK_EQUAL(listener.count("requests"), 3U);
}

BEHAVIOUR(default_headers_and_limits_belong_to_the_handle)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::session_options mine;
    mine.headers = {{"x-mine", "default"}, {"x-more", "1"}};
    mine.max_body = 3;
    const auto with = pool.get_session(listener.http, mine).value();
    const auto without = pool.get_session(listener.http).value();
    CHECK_EQUAL(with.id(), without.id());

    aipool::request request;
    request.url = "/echo";
    request.headers = {{"x-mine", "own"}};
    request.max_body = aipool::unlimited;
    const auto answer = with.request(request).value();
    const auto echo = answer.body();
    CHECK(has_line(echo, "x-mine: own") && has_line(echo, "x-more: 1") && !has_line(echo, "x-mine: default"));
    CHECK_EQUAL(status_of(with.get("/echo")), aipool::status::too_large);
    CHECK(!has_line(without.get("/echo").value().body(), "x-more: 1"));
}

BEHAVIOUR(bad_url_names_the_field)
{
    const auto pool = open_pool();
    const auto session = pool.get_session("http://localhost").value();
    for (const char* bad : {"ftp://h/x", "http://", "//h/x", "http://user:secret@h/"}) {
        const auto outcome = session.get(bad);
        CHECK_EQUAL(status_of(outcome), aipool::status::invalid_argument);
        CHECK_CONTAINS(outcome.error().message, "url");
        CHECK(outcome.error().message.find("secret") == std::string::npos);
    }
    CHECK_CONTAINS(pool.get_session("http://user:secret@h/").error().message, "key");
}

BEHAVIOUR(bad_header_names_the_field)
{
    const auto pool = open_pool();
    const auto session = pool.get_session("http://localhost").value();
    const auto send = [&](const char* name, const char* value) {
        aipool::request request;
        request.headers = {{"x-fine", "1"}, {name, value}};
        return session.request(request);
    };
    const auto bad_name = send("x bad", "1");
    CHECK_EQUAL(status_of(bad_name), aipool::status::invalid_argument);
    CHECK_CONTAINS(bad_name.error().message, "headers[1]");
    const auto bad_value = send("x-key", "secret\r\nx-evil: 1");
    CHECK_EQUAL(status_of(bad_value), aipool::status::invalid_argument);
    CHECK_CONTAINS(bad_value.error().message, "x-key");
    CHECK(bad_value.error().message.find("secret") == std::string::npos);

    aipool::session_options injected;
    injected.headers = {{"x-a", std::string("1\0x-evil\0 2", 11)}};
    CHECK_CONTAINS(pool.get_session("http://localhost", injected).error().message, "headers");
}
