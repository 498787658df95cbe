#include "build/base_freshness.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "build/timed_request.h"

namespace dlc::build {

namespace {

using Json = nlohmann::json;

struct Suite {
  std::string name;
  SuiteIndex index;
  std::string recorded;  ///< sha256 in hex
};

std::string fetch_digest(const std::string& url, int seconds, const std::stop_token& stop) {
  const auto response = get_within(std::chrono::seconds(seconds), url, stop);
  if (!response.ok()) {
    throw Error(ErrorKind::network, fmt::format("{} answered with status {}", url, response.status));
  }
  return codec::sha256(response.body).hex();
}

/// The suites that the base was made from. The record's `indexes` are lines of sha256sum.
std::vector<Suite> suites_of(const Json& record) {
  std::map<std::string, std::string> digests;
  for (const auto& line : record.value("indexes", Json::array())) {
    std::istringstream in(line.is_string() ? line.get<std::string>() : "");
    std::string digest;
    std::string file;
    in >> digest >> file;
    digests[file] = digest;
  }
  std::vector<Suite> suites;
  for (const auto& line : record.value("mirrors", Json::array())) {
    const auto index = line.is_string() ? index_of_source(line.get<std::string>()) : std::nullopt;
    const auto digest = index ? digests.find(index->file) : digests.end();
    if (digest != digests.end()) {
      const auto end = index->url.rfind('/');
      const auto start = index->url.rfind("/dists/", end) + std::string_view("/dists/").size();
      suites.push_back({index->url.substr(start, end - start), *index, digest->second});
    }
  }
  return suites;
}

}  // namespace

std::optional<SuiteIndex> index_of_source(std::string_view line) {
  if (const auto open = line.find('['); open != std::string_view::npos) {
    const auto close = line.find(']', open);
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    return index_of_source(std::string(line.substr(0, open)) + std::string(line.substr(close + 1)));
  }
  std::istringstream in{std::string(line)};
  std::string type;
  std::string uri;
  std::string suite;
  in >> type >> uri >> suite;
  const auto scheme = uri.find("://");
  if (type != "deb" || scheme == std::string::npos || suite.empty() || suite.ends_with('/')) {
    return std::nullopt;
  }
  uri.resize(uri.find_last_not_of('/') + 1);
  SuiteIndex index{.url = uri + "/dists/" + suite + "/InRelease", .file = {}};
  // apt's name of the file: without the scheme, odd characters as %xx, slashes as underscores
  for (const char c : std::string_view(index.url).substr(scheme + 3)) {
    const bool odd = std::string_view("\\|{}[]<>\"^~_=!@#$%&*").find(c) != std::string_view::npos;
    index.file += c == '/' ? "_" : (odd ? fmt::format("%{:02x}", static_cast<unsigned char>(c)) : std::string(1, c));
  }
  return index;
}

std::optional<Freshness> base_freshness(const std::string& name, store::Store& store, int seconds,
                                        const std::stop_token& stop) {
  const auto value = store.records().value("base/" + name);
  const auto record = value ? Json::parse(*value, nullptr, false) : Json();
  const auto suites = record.is_object() ? suites_of(record) : std::vector<Suite>();
  if (suites.empty()) {
    return std::nullopt;
  }
  std::vector<std::future<std::string>> now;
  for (const auto& suite : suites) {
    now.push_back(std::async(std::launch::async,
                             [&suite, seconds, stop] { return fetch_digest(suite.index.url, seconds, stop); }));
  }
  Freshness freshness;
  for (std::size_t i = 0; i < suites.size(); ++i) {
    try {
      if (now[i].get() != suites[i].recorded) {
        freshness.moved.push_back(suites[i].name);
      }
    } catch (const Error& error) {
      freshness.open.emplace_back(error.what());
    }
  }
  return freshness;
}

}  // namespace dlc::build
