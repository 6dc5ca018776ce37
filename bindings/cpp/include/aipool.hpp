/// libaipool for C++17 and later: a warm, bounded, observable pool of HTTP sessions for AI clients.
///
///     auto answer = aipool::get("https://api.example.com/v1/models");
///     if (answer) std::puts(std::string(answer->body()).c_str());
///
/// Every object is a move-only handle that its destructor gives up without waiting. Any function may be called from any
/// thread, many at once. What can fail returns aipool::result, whether the program has exceptions or not. All text is
/// UTF-8. The contract beneath is aipool.h.
#pragma once

#include <aipool/cancel_source.hpp>
#include <aipool/error.hpp>
#include <aipool/events.hpp>
#include <aipool/one_line.hpp>
#include <aipool/options.hpp>
#include <aipool/pool.hpp>
#include <aipool/request.hpp>
#include <aipool/response.hpp>
#include <aipool/result.hpp>
#include <aipool/session.hpp>
