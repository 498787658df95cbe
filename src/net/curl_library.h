#pragma once
// libcurl, loaded when the first URL is read instead of with the program: 27 of the 43 shared libraries that a plainly
// linked dlc needs are libcurl's, and they cost 4.6 of the 8 ms of every start, also of those without any network
// (measured 2026-11, hello-world with the same libraries). Internal to net.
#define CURL_DISABLE_TYPECHECK  // curl_easy_setopt and _getinfo as functions, so that their addresses can be taken
#include <curl/curl.h>

namespace dlc::net {

/// The functions that net calls, with libcurl's own types and contracts (curl(3)).
struct Curl {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_url) url;
  decltype(&::curl_url_cleanup) url_cleanup;
  decltype(&::curl_url_get) url_get;
  decltype(&::curl_url_set) url_set;
  decltype(&::curl_url_strerror) url_strerror;
  decltype(&::curl_free) free;
};

/// Loads and initialises libcurl once; it stays until the process ends. Thread-safe. Throws Error(unsupported) with the
/// package to install where it cannot be loaded; the next call tries again.
[[nodiscard]] const Curl& curl();

}  // namespace dlc::net
