/// libaipool for C++17 and later: a warm, bounded, observable pool of HTTP sessions for AI clients.
///
///     auto answer = aipool::get("https://api.example.com/v1/models");
///     if (answer) std::puts(std::string(answer->body()).c_str());
///
/// Every object is a move-only handle that its destructor gives up without waiting. Any function may be called from any
/// thread, many at once. What can fail returns aipool::result, whether the program has exceptions or not. All text is
/// UTF-8. The contract beneath is aipool.h.
#pragma once

#include <aipool/async_stream.hpp>
#include <aipool/call.hpp>
#include <aipool/cancel_source.hpp>
#include <aipool/client.hpp>
#include <aipool/client_options.hpp>
#include <aipool/completion.hpp>
#include <aipool/delta.hpp>
#include <aipool/error.hpp>
#include <aipool/event.hpp>
#include <aipool/event_range.hpp>
#include <aipool/events.hpp>
#include <aipool/live.hpp>
#include <aipool/one_line.hpp>
#include <aipool/options.hpp>
#include <aipool/pool.hpp>
#include <aipool/queue.hpp>
#include <aipool/reply.hpp>
#include <aipool/request.hpp>
#include <aipool/response.hpp>
#include <aipool/result.hpp>
#include <aipool/session.hpp>
#include <aipool/span.hpp>
#include <aipool/stream.hpp>
#include <aipool/stream_handlers.hpp>
#include <aipool/upload.hpp>
