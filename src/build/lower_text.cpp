#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "build/lower_internal.h"
#include "dockerfile/text.h"
#include "oci/reference.h"

namespace dlc::build {

namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

constexpr int kMaxPort = 65535;

int parse_port(std::string_view text, const std::string& what) {
  int port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (code != std::errc() || end != text.data() + text.size() || text.empty() || port < 0 || port > kMaxPort) {
    fail(what);
  }
  return port;
}

std::pair<int, int> parse_range(const std::string& text, const std::string& what) {
  const auto dash = text.find('-');
  const int first = parse_port(std::string_view(text).substr(0, dash), what);
  const int last = dash == std::string::npos ? first : parse_port(std::string_view(text).substr(dash + 1), what);
  if (last < first) {
    fail(what);
  }
  return {first, last};
}

bool is_ip_address(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
  }
  in6_addr address{};  // the larger one
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 || ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace

std::string list_text(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const auto& value : values) {
    text += (text.size() > 1 ? " " : "") + value;
  }
  return text + "]";
}

std::string quoted_list_text(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  std::transform(values.begin(), values.end(), std::back_inserter(quoted),
                 [](const std::string& value) { return dockerfile::quote(value); });
  return list_text(quoted);
}

std::string run_history(const StageState& state, const std::vector<std::string>& argv) {
  std::vector<std::pair<std::string, std::string>> args;
  for (const auto& arg : state.args) {
    const auto* value = state.scope.find(arg.key);
    auto text = value != nullptr ? *value : arg.value.value_or("");
    const auto known =
        std::find_if(args.begin(), args.end(), [&](const auto& other) { return other.first == arg.key; });
    if (known != args.end()) {
      known->second = std::move(text);
    } else {
      args.emplace_back(arg.key, std::move(text));
    }
  }
  std::string history = "RUN";
  if (!args.empty()) {
    history += " |" + std::to_string(args.size());
    for (const auto& [key, value] : args) {
      history += " " + key + "=" + value;
    }
  }
  for (const auto& arg : argv) {
    history += " " + arg;
  }
  return history + " # buildkit";
}

std::vector<std::string> expand_ports(const std::string& word, bool& upper_case, bool& ignored_part) {
  const auto last_colon = word.rfind(':');
  const auto container = last_colon == std::string::npos ? word : word.substr(last_colon + 1);
  const auto slash = container.find('/');
  const auto ports = container.substr(0, slash);
  const auto written = slash == std::string::npos ? std::string() : container.substr(slash + 1);
  const auto protocol = written.empty() ? std::string("tcp") : dockerfile::lower(written);
  if (ports.empty()) {
    fail("invalid port: " + dockerfile::quote(word) + ": no port specified");
  }
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
    fail("invalid port: " + dockerfile::quote(word) + ": invalid proto: " + written);
  }
  upper_case = !written.empty() && written != protocol;
  const auto [first, last] = parse_range(ports, "invalid containerPort: " + ports);
  ignored_part = false;
  if (last_colon != std::string::npos) {
    const auto front = word.substr(0, last_colon);
    const auto before = front.rfind(':');
    const auto host = before == std::string::npos ? front : front.substr(before + 1);
    ignored_part = !host.empty() || (before != std::string::npos && before > 0);
    if (before != std::string::npos && before > 0 && !is_ip_address(front.substr(0, before))) {
      fail("invalid IP address: " + front.substr(0, before));
    }
    if (!host.empty()) {
      const auto [host_first, host_last] = parse_range(host, "invalid hostPort: " + host);
      if (host_last - host_first != last - first && last != first) {
        fail("invalid ranges specified for container and host Ports: " + ports + " and " + host);
      }
    }
  }
  std::vector<std::string> result;
  for (int port = first; port <= last; ++port) {
    result.push_back(std::to_string(port) + "/" + protocol);
  }
  return result;
}

bool is_signal(std::string_view text) {
  int number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size() && !text.empty()) {
    return number > 0;
  }
  auto name = dockerfile::upper(text);
  if (name.starts_with("SIG")) {
    name.erase(0, 3);
  }
  static constexpr std::array kNames{"ABRT", "ALRM", "BUS",  "CHLD", "CLD",    "CONT", "FPE",   "HUP",   "ILL",
                                     "INT",  "IO",   "IOT",  "KILL", "PIPE",   "POLL", "PROF",  "PWR",   "QUIT",
                                     "SEGV", "STOP", "SYS",  "TERM", "STKFLT", "TRAP", "TSTP",  "TTIN",  "TTOU",
                                     "URG",  "USR1", "USR2", "XCPU", "VTALRM", "XFSZ", "WINCH", "RTMIN", "RTMAX"};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) {
    return true;
  }
  const bool from_minimum = name.starts_with("RTMIN+");
  if (!from_minimum && !name.starts_with("RTMAX-")) {
    return false;
  }
  const auto digits = name.substr(6);
  const auto [tail, status] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return status == std::errc() && tail == digits.data() + digits.size() && number >= 1 &&
         number <= (from_minimum ? 15 : 14);
}

void set_env(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  const auto same = std::find_if(
      env.begin(), env.end(), [&name](const std::string& entry) { return entry.substr(0, entry.find('=')) == name; });
  const auto text = name + "=" + value;
  if (same != env.end()) {
    *same = text;
  } else {
    env.push_back(text);
  }
}

void insert_sorted(std::vector<std::string>& values, std::string value) {
  const auto place = std::lower_bound(values.begin(), values.end(), value);
  if (place == values.end() || *place != value) {
    values.insert(place, std::move(value));
  }
}

std::string context_name(const std::string& image) {
  try {
    auto name = oci::parse_reference(image).familiar();
    if (name.ends_with(":latest")) {
      name.erase(name.size() - std::string_view(":latest").size());
    }
    return name;
  } catch (const Error&) {
    return image;  // not a reference: only its own text names it
  }
}

}  // namespace dlc::build
