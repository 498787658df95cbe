#include "net/transfer.h"

#include <fmt/format.h>

#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "net/curl_library.h"

namespace dlc::net {

namespace {

constexpr std::size_t kMaxHeaders = 256U << 10;
constexpr std::size_t kMaxErrorBody = 64U << 10;

struct EasyDeleter {
  void operator()(CURL* handle) const noexcept { curl().easy_cleanup(handle); }
};

struct ListDeleter {
  void operator()(curl_slist* list) const noexcept { curl().slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

void append(List& list, const std::string& name, const std::string& value) {
  if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    throw Error(ErrorKind::invalid, "the value of the HTTP header " + name + " holds a control character");
  }
  const std::string line = value.empty() ? name + ";" : name + ": " + value;
  curl_slist* longer = curl().slist_append(list.get(), line.c_str());
  if (longer == nullptr) {
    throw Error(ErrorKind::exhausted, "out of memory");
  }
  (void)list.release();
  list.reset(longer);
}

/// What the callbacks share. They run below C code: nothing may leave them but a return value, so an exception is kept
/// here until the transfer is over.
struct Transfer {
  const Request& request;
  const Receiver* receiver;
  Connection::Outcome& outcome;
  std::size_t header_bytes = 0;
  std::uint64_t body_bytes = 0;
  std::exception_ptr failure;

  template <typename Work>
  bool guarded(Work&& work) noexcept {
    try {
      work();
      return true;
    } catch (...) {
      failure = std::current_exception();
      return false;
    }
  }

  void header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaders) {
      throw Error(ErrorKind::invalid, "the server's headers are longer than 256 KiB");
    }
    auto& response = outcome.response;
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.remove_suffix(1);
    }
    if (line.starts_with("HTTP/")) {  // a new head: the one before was "100 Continue" or the like
      response.headers.clear();
      return;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
      return;
    }
    auto value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    response.headers.add(line.substr(0, colon), value);
  }

  void body(CURL* handle, std::span<const std::byte> bytes) {
    auto& response = outcome.response;
    long status = 0;
    curl().easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    body_bytes += bytes.size();
    if (receiver != nullptr && response.ok()) {
      if (!outcome.delivered && receiver->begin) {
        receiver->begin(response);
      }
      outcome.delivered = true;
      receiver->write(bytes);
      return;
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (response.ok()) {
      if (body_bytes > request.body_limit) {
        throw Error(ErrorKind::invalid, fmt::format("the answer is longer than {} bytes", request.body_limit));
      }
      response.body += text;
    } else if (response.body.size() < kMaxErrorBody) {
      response.body += text.substr(0, kMaxErrorBody - response.body.size());
    }
  }
};

struct CallbackData {
  Transfer* transfer;
  CURL* handle;
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<CallbackData*>(user);
  const bool good = call.transfer->guarded([&] { call.transfer->header({data, size * count}); });
  return good ? size * count : 0;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<CallbackData*>(user);
  const std::span<const char> chars(data, size * count);
  const bool good = call.transfer->guarded([&] { call.transfer->body(call.handle, std::as_bytes(chars)); });
  return good ? size * count : CURL_WRITEFUNC_ERROR;
}

std::size_t on_read(char* data, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<CallbackData*>(user);
  std::size_t read = 0;
  const bool good = call.transfer->guarded(
      [&] { read = call.transfer->request.upload->read(std::as_writable_bytes(std::span<char>(data, size * count))); });
  return good ? read : CURL_READFUNC_ABORT;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<CallbackData*>(user)->transfer->request.stop.stop_requested() ? 1 : 0;
}

std::string detail(CURLcode code, const char* buffer) {
  return buffer[0] != '\0' ? buffer : curl().easy_strerror(code);
}

/// The cause in the user's words, and what to do about it.
Error transport_error(CURLcode code, const Url& url, const std::string& text, const ClientOptions& options) {
  const auto host = url.authority();
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error(ErrorKind::network, fmt::format("cannot find the host {}: {}", host, text))
          .hint("check the spelling, the network and, behind a proxy, the variables https_proxy and no_proxy")
          .retryable();
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Error(ErrorKind::network, fmt::format("cannot find the proxy on the way to {}: {}", host, text))
          .hint("check the variables https_proxy, http_proxy and no_proxy");
    case CURLE_COULDNT_CONNECT:
      return Error(ErrorKind::network, fmt::format("cannot connect to {}: {}", host, text))
          .hint("is the server running, and is the port right?")
          .retryable(!is_loopback(url.host));  // on this machine a refusal is final, no packet was lost
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error(ErrorKind::network, fmt::format("the certificate of {} is not trusted: {}", host, text))
          .hint(
              "where a proxy or the server has its own authority, add its certificate to the system's "
              "(update-ca-certificates) or name it in SSL_CERT_FILE");
    case CURLE_SSL_CACERT_BADFILE:
      return Error(ErrorKind::network, fmt::format("cannot read the file of trusted certificates: {}", text))
          .hint("install ca-certificates, or correct SSL_CERT_FILE");
    case CURLE_SSL_CONNECT_ERROR:
      return Error(ErrorKind::network, fmt::format("no TLS connection to {}: {}", host, text))
          .hint("a server without TLS must be on this machine or be listed as insecure")
          .retryable();
    case CURLE_OPERATION_TIMEDOUT:
      return Error(ErrorKind::timeout, fmt::format("{} did not answer in time: {}", host, text))
          .hint(fmt::format("a connection may take {} s to open and be silent for {} s",
                            options.connect_timeout.count() / 1000, options.stall_timeout.count()))
          .retryable();
    case CURLE_OUT_OF_MEMORY:
      return {ErrorKind::exhausted, "out of memory"};
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return {ErrorKind::invalid, fmt::format("cannot fetch {}: {}", url.str(), text)};
    default:
      return Error(ErrorKind::network, fmt::format("the connection to {} broke off: {}", host, text)).retryable();
  }
}

}  // namespace

struct Connection::State {
  char message[CURL_ERROR_SIZE] = "";  // outlives the handle, which keeps a pointer to it
  std::unique_ptr<CURL, EasyDeleter> handle;
};

Connection::Connection() : state_(std::make_unique<State>()) {
  state_->handle.reset(curl().easy_init());
  if (!state_->handle) {
    throw Error(ErrorKind::exhausted, "cannot start an HTTP transfer: out of memory");
  }
}

Connection::~Connection() = default;

namespace {

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (const auto code = curl().easy_setopt(handle, option, value); code != CURLE_OK) {
    throw Error(ErrorKind::internal, fmt::format("HTTP option {}: {}", int{option}, curl().easy_strerror(code)));
  }
}

void set_trust(CURL* handle, const Request& request, const ClientOptions& options) {
  if (!request.verify_tls) {
    set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  const char* environment = std::getenv("SSL_CERT_FILE");
  if (!options.ca_file.empty()) {
    set(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // this file alone, not the system's folder as well
  } else if (environment != nullptr && environment[0] != '\0') {
    set(handle, CURLOPT_CAINFO, environment);
  }
}

void set_method(CURL* handle, const Request& request, CallbackData& call) {
  if (request.method == "HEAD") {
    set(handle, CURLOPT_NOBODY, 1L);
  } else if (request.upload) {
    set(handle, CURLOPT_UPLOAD, 1L);
    set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set(handle, CURLOPT_READFUNCTION, &on_read);
    set(handle, CURLOPT_READDATA, &call);
    set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.upload->size));
  } else if (request.method != "GET") {
    set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty() || request.method != "DELETE") {
      set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(handle, CURLOPT_POSTFIELDS, request.body.data());
    }
  }
}

List header_list(const Request& request, bool with_credentials) {
  List list;
  for (const auto& [name, value] : request.headers) {
    append(list, name, value);
  }
  if (with_credentials) {
    for (const auto& [name, value] : request.credentials) {
      append(list, name, value);
    }
  }
  if (request.upload || !request.body.empty()) {
    curl_slist* longer = curl().slist_append(list.get(), "Expect:");  // no wait for "100 Continue"
    if (longer != nullptr) {
      (void)list.release();
      list.reset(longer);
    }
  }
  return list;
}

void set_limits(CURL* handle, const ClientOptions& options, CallbackData& call) {
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options.stall_rate));
  set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(handle, CURLOPT_XFERINFODATA, &call);
  set(handle, CURLOPT_BUFFERSIZE, 256L << 10);
}

}  // namespace

void Connection::perform(const Request& request, const Url& url, bool with_credentials, const ClientOptions& options,
                         const Receiver* receiver, Outcome& outcome) {
  CURL* handle = state_->handle.get();
  Transfer transfer{request, receiver, outcome, 0, 0, nullptr};
  CallbackData call{&transfer, handle};
  char* const message = state_->message;
  message[0] = '\0';
  curl().easy_reset(handle);  // keeps the connections
  const std::string address = url.str();
  const List headers = header_list(request, with_credentials);
  set(handle, CURLOPT_URL, address.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_PATH_AS_IS, 1L);
  set(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(handle, CURLOPT_ERRORBUFFER, message);
  set(handle, CURLOPT_USERAGENT, std::string(kUserAgent).c_str());
  set(handle, CURLOPT_HTTPHEADER, headers.get());
  set(handle, CURLOPT_HEADERFUNCTION, &on_header);
  set(handle, CURLOPT_HEADERDATA, &call);
  set(handle, CURLOPT_WRITEFUNCTION, &on_body);
  set(handle, CURLOPT_WRITEDATA, &call);
  if (is_loopback(url.host)) {
    set(handle, CURLOPT_PROXY, "");  // a proxy could not reach this machine anyway
  }
  set_trust(handle, request, options);
  set_method(handle, request, call);
  set_limits(handle, options, call);

  outcome.response.url = address;
  const auto code = curl().easy_perform(handle);
  if (transfer.failure) {
    std::rethrow_exception(transfer.failure);
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    throw Error(ErrorKind::cancelled, "interrupted");
  }
  if (code != CURLE_OK) {
    throw transport_error(code, url, detail(code, message), options);
  }
  long status = 0;
  curl().easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  outcome.response.status = static_cast<int>(status);
}

}  // namespace dlc::net
