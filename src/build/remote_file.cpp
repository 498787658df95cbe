#include "build/remote_file.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "codec/digest.h"
#include "net/http.h"

namespace dlc::build {

namespace {

using Json = nlohmann::json;
using codec::Digest;

constexpr std::string_view kS3 = "s3://";

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): never changed
  return value == nullptr ? "" : value;
}

std::string s3_endpoint() {
  const auto own = variable("AWS_ENDPOINT_URL_S3");
  return own.empty() ? variable("AWS_ENDPOINT_URL") : own;
}

std::string encoded_path(std::string_view path) {
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) != 0 || std::string_view("-._~/").find(c) != std::string_view::npos;
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return text;
}

/// What the store remembers of a URI.
struct Remembered {
  Digest digest;
  std::string etag;
};

std::string memory_key(const std::string& uri) {
  return "download/" + uri;
}

std::optional<Remembered> remembered(const std::string& uri, store::Store& store) {
  const auto value = store.records().value(memory_key(uri));
  const auto json = value ? Json::parse(*value, nullptr, false) : Json();
  if (!json.is_object()) {
    return std::nullopt;
  }
  const auto digest = Digest::try_parse(json.value("digest", ""));
  if (!digest || !store.blobs().contains(*digest)) {
    return std::nullopt;
  }
  return Remembered{*digest, json.value("etag", "")};
}

Error refused(const std::string& uri, int status) {
  if (status == 401 || status == 403) {
    return Error(ErrorKind::denied, fmt::format("{} may not be read by everybody (status {})", uri, status))
        .hint("make it public, or fetch it yourself (aws s3 cp) and name the local file in the image's context");
  }
  return Error(status == 404 ? ErrorKind::not_found : ErrorKind::network,
               fmt::format("{}: the server answered with status {}", uri, status));
}

class Fetch {
 public:
  Fetch(const std::string& uri, store::Store& store, Activity& activity, const std::stop_token& stop)
      : uri_(uri), store_(store), activity_(activity), stop_(stop) {}

  /// Nullopt: what `etag` names is still there.
  std::optional<Remembered> run(const std::string& etag) {
    const bool s3 = uri_.starts_with(kS3);
    if (!s3 && !uri_.starts_with("https://") && !uri_.starts_with("http://")) {
      throw Error(ErrorKind::unsupported, "dlc cannot fetch " + uri_).hint("expected s3://, https:// or http://");
    }
    auto response = send(s3 ? s3_url(uri_, s3_endpoint(), "") : uri_, etag);
    // A bucket of another region answers without a Location, but names the region.
    const auto region = response.headers.get("x-amz-bucket-region").value_or("");
    if (s3 && (response.status == 301 || response.status == 400) && !region.empty() && s3_endpoint().empty()) {
      response = send(s3_url(uri_, "", region), etag);
    }
    if (response.status == 304) {
      return std::nullopt;
    }
    if (!response.ok()) {
      throw refused(uri_, response.status);
    }
    writer_->finish();
    return Remembered{writer_->commit(), response.headers.get("etag").value_or("")};
  }

 private:
  net::Response send(const std::string& url, const std::string& etag) {
    writer_ = store_.blobs().create();
    net::Request request;
    request.url = url;
    request.stop = stop_;
    if (!etag.empty()) {
      request.headers.emplace_back("If-None-Match", etag);
    }
    std::uint64_t done = 0;
    return net::download(
        [&](const net::Request& r, const net::Receiver& receiver) { return client_.send(r, &receiver); }, request,
        [&](std::span<const std::byte> bytes) {
          writer_->write(bytes);
          activity_.progress(done += bytes.size(), 0);
        },
        {.size = std::nullopt, .on_retry = {}});
  }

  const std::string& uri_;
  store::Store& store_;
  Activity& activity_;
  std::stop_token stop_;
  net::HttpClient client_;
  std::unique_ptr<store::BlobWriter> writer_;
};

}  // namespace

std::string s3_url(const std::string& uri, const std::string& endpoint, const std::string& region) {
  const auto slash = uri.find('/', kS3.size());
  if (!uri.starts_with(kS3) || slash == std::string::npos || slash == kS3.size() || slash + 1 == uri.size()) {
    throw Error(ErrorKind::invalid, uri + " is no object").hint("expected s3://BUCKET/KEY");
  }
  const auto bucket = uri.substr(kS3.size(), slash - kS3.size());
  const auto key = encoded_path(std::string_view(uri).substr(slash + 1));
  if (!endpoint.empty()) {
    return fmt::format("{}/{}/{}", endpoint.substr(0, endpoint.find_last_not_of('/') + 1), bucket, key);
  }
  const auto host = region.empty() ? std::string("s3.amazonaws.com") : "s3." + region + ".amazonaws.com";
  // The certificate covers one label before the host: a bucket with dots goes into the path.
  return bucket.find('.') == std::string::npos ? fmt::format("https://{}.{}/{}", bucket, host, key)
                                               : fmt::format("https://{}/{}/{}", host, bucket, key);
}

std::optional<std::filesystem::path> known_remote_file(const std::string& uri, store::Store& store) {
  const auto last = remembered(uri, store);
  return last ? std::optional(store.blobs().path_of(last->digest)) : std::nullopt;
}

std::filesystem::path fetch_remote_file(const std::string& uri, store::Store& store, EventBus& bus, ActivityId parent,
                                        const std::stop_token& stop) {
  const auto last = remembered(uri, store);
  Activity activity(bus, ActivityKind::pull, "download " + uri, parent);
  try {
    const auto fetched = Fetch(uri, store, activity, stop).run(last ? last->etag : "");
    activity.finish(fetched ? ActivityResult::done : ActivityResult::cached);
    if (!fetched) {
      return store.blobs().path_of(last->digest);
    }
    store.records().set_value(memory_key(uri), Json{{"digest", fetched->digest.str()}, {"etag", fetched->etag}}.dump());
    return store.blobs().path_of(fetched->digest);
  } catch (Error& error) {
    const bool away = error.kind() == ErrorKind::network || error.kind() == ErrorKind::timeout;
    if (away && last) {
      activity.finish(ActivityResult::cached);
      bus.message("warning", fmt::format("{}: {}; the copy in the store is used", uri, error.what()));
      return store.blobs().path_of(last->digest);
    }
    activity.finish(error);
    if (away) {
      error.context("download " + uri);
    }
    throw;
  }
}

}  // namespace dlc::build
