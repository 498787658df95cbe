#include "net/curl_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.h"

namespace dlc::net {

namespace {

constexpr const char* kFile = "libcurl.so.4";  // the ABI of the headers that this is compiled with

Error cannot_load() {
  const char* reason = ::dlerror();
  return Error(ErrorKind::unsupported, fmt::format("cannot use the network: {}", reason != nullptr ? reason : kFile))
      .hint("install libcurl4 (Debian: apt-get install libcurl4)");
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  void* const symbol = ::dlsym(library, name);
  if (symbol == nullptr) {
    throw cannot_load();
  }
  function = reinterpret_cast<Function>(symbol);
}

Curl load() {
  void* const library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw cannot_load();
  }
  decltype(&::curl_global_init) global_init = nullptr;
  find(library, "curl_global_init", global_init);
  Curl curl{};
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_reset", curl.easy_reset);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_perform", curl.easy_perform);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  find(library, "curl_url", curl.url);
  find(library, "curl_url_cleanup", curl.url_cleanup);
  find(library, "curl_url_get", curl.url_get);
  find(library, "curl_url_set", curl.url_set);
  find(library, "curl_url_strerror", curl.url_strerror);
  find(library, "curl_free", curl.free);
  global_init(CURL_GLOBAL_DEFAULT);
  return curl;
}

}  // namespace

const Curl& curl() {
  static const Curl loaded = load();
  return loaded;
}

}  // namespace dlc::net
