#pragma once
// One GET that is over within a given time, whatever the server does: for probes.
#include <chrono>
#include <stop_token>
#include <string>

#include "net/http.h"

namespace dlc::build {

/// One try. The answer of any status; `receiver` as for HttpClient::send. Error(timeout) that names the URL and the
/// limit where it takes longer, Error(cancelled) after a stop request, Error(network) else.
[[nodiscard]] net::Response get_within(std::chrono::seconds limit, const std::string& url, const std::stop_token& stop,
                                       const net::Receiver* receiver = nullptr);

}  // namespace dlc::build
