#pragma once
// An HTTP server on loopback whose every answer is written by the test, byte for byte, so that it can also break off in
// the middle, lie about lengths or answer differently the second time.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace dlc::testing {

struct FakeRequest {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  ///< names in lower case
  [[nodiscard]] std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

/// What to send: raw bytes; the connection is closed afterwards.
inline std::string answer(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

class FakeServer {
 public:
  /// `handler` runs on the server's thread, one request at a time.
  explicit FakeServer(std::function<std::string(const FakeRequest&)> handler) : handler_(std::move(handler)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url(const std::string& target = "/") const { return "http://" + host() + target; }
  [[nodiscard]] std::vector<FakeRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void run() {
    while (!stopping_) {
      const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client) {
        serve(client.get());
      }
    }
  }

  static bool receive(int fd, std::string& text) {
    char buffer[4096];
    const auto count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count > 0) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return count > 0;
  }

  void serve(int fd) {
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos) {
      if (!receive(fd, text)) {
        return;
      }
    }
    auto request = parse(text);
    const auto length = request.header("content-length");
    while (!length.empty() && request.body.size() < std::stoul(length)) {
      if (!receive(fd, request.body)) {
        return;
      }
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string reply = handler_(request);
    for (std::size_t sent = 0; sent < reply.size();) {
      const auto count = ::send(fd, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) {
        return;
      }
      sent += static_cast<std::size_t>(count);
    }
    ::shutdown(fd, SHUT_WR);
    std::string rest;
    while (receive(fd, rest)) {
    }
  }

  static FakeRequest parse(const std::string& text) {
    FakeRequest request;
    const auto end = text.find("\r\n\r\n");
    const auto line_end = text.find("\r\n");
    const auto first = text.find(' ');
    const auto second = text.find(' ', first + 1);
    request.method = text.substr(0, first);
    request.target = text.substr(first + 1, second - first - 1);
    request.body = text.substr(end + 4);
    for (auto start = line_end + 2; start < end;) {
      const auto stop = text.find("\r\n", start);
      const auto colon = text.find(':', start);
      std::string name = text.substr(start, colon - start);
      for (char& c : name) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      request.headers[name] = text.substr(colon + 2, stop - colon - 2);
      start = stop + 2;
    }
    return request;
  }

  std::function<std::string(const FakeRequest&)> handler_;
  UniqueFd listener_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<FakeRequest> requests_;
};

}  // namespace dlc::testing
