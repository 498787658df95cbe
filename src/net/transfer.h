#pragma once
// One request over one libcurl handle, without redirects or retries. Internal to net.
#include <memory>
#include <string>

#include "net/http.h"
#include "net/url.h"

namespace dlc::net {

/// A libcurl easy handle with its open connections. One thread at a time.
class Connection {
 public:
  Connection();
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  struct Outcome {
    Response response;
    bool delivered = false;  ///< the receiver was called
  };
  /// `with_credentials`: send the request's credentials to `url`. Throws Error, marked retryable where another try may
  /// help; `delivered` is then told through `outcome`, which is filled as far as it came.
  void perform(const Request& request, const Url& url, bool with_credentials, const ClientOptions& options,
               const Receiver* receiver, Outcome& outcome);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dlc::net
