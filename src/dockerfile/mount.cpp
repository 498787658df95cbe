#include "dockerfile/mount.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "dockerfile/flags.h"
#include "dockerfile/syntax.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

using Type = MountSpec::Type;

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

constexpr std::array<std::pair<std::string_view, Type>, 5> kTypes{{{"bind", Type::bind},
                                                                   {"cache", Type::cache},
                                                                   {"tmpfs", Type::tmpfs},
                                                                   {"secret", Type::secret},
                                                                   {"ssh", Type::ssh}}};
constexpr std::array<std::pair<std::string_view, MountSpec::Sharing>, 3> kSharings{
    {{"shared", MountSpec::Sharing::shared},
     {"private", MountSpec::Sharing::private_},
     {"locked", MountSpec::Sharing::locked}}};
constexpr std::array<std::string_view, 19> kKeys{
    "type", "from", "source", "target", "readonly", "id", "sharing", "required",    "size",     "mode",
    "uid",  "gid",  "src",    "dst",    "ro",       "rw", "env",     "destination", "readwrite"};

std::string name_of(Type type) {
  return std::string(kTypes[static_cast<std::size_t>(type)].first);
}

template <typename Table>
auto pick(const Table& table, const std::string& value, const std::string& what) {
  const auto* const found = std::find_if(table.begin(), table.end(),
                                         [word = lower(value)](const auto& entry) { return entry.first == word; });
  if (found == table.end()) {
    std::vector<std::string> names;
    std::transform(table.begin(), table.end(), std::back_inserter(names),
                   [](const auto& entry) { return std::string(entry.first); });
    fail("unsupported " + what + " " + quote(value) + did_you_mean(value, names));
  }
  return found->second;
}

std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> fields;
  while (true) {
    std::string field;
    if (text.starts_with('"')) {
      text.remove_prefix(1);
      while (true) {
        const std::size_t end = text.find('"');
        if (end == std::string_view::npos) {
          fail("failed to parse csv mounts: a quote is not closed");
        }
        field += text.substr(0, end);
        text.remove_prefix(end + 1);
        if (!text.starts_with('"')) {
          break;
        }
        field += '"';
        text.remove_prefix(1);
      }
      if (!text.empty() && !text.starts_with(',')) {
        fail("failed to parse csv mounts: text follows a quoted field");
      }
    } else {
      field = text.substr(0, text.find(','));
      if (field.find('"') != std::string::npos) {
        fail("failed to parse csv mounts: a bare quote in a field that is not quoted");
      }
      text.remove_prefix(field.size());
    }
    fields.push_back(std::move(field));
    if (text.empty()) {
      return fields;
    }
    text.remove_prefix(1);
  }
}

bool parse_bool(const std::string& key, const std::string& value) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  if (std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end()) {
    return true;
  }
  if (std::find(kFalse.begin(), kFalse.end(), value) == kFalse.end()) {
    fail("invalid value for " + key + ": " + value);
  }
  return false;
}

std::uint32_t parse_number(const std::string& key, const std::string& value, int base) {
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number, base);
  if (code != std::errc() || end != value.data() + value.size() || value.empty()) {
    fail("invalid value " + value + " for " + key);
  }
  return number;
}

// "64", "1.5m", "1GiB", "512 kB": powers of 1024.
std::uint64_t parse_size(const std::string& value) {
  double number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  const std::string unit =
      lower(trim(std::string_view(end, static_cast<std::size_t>(value.data() + value.size() - end))));
  static constexpr std::string_view kUnits = "bkmgtp";
  const std::size_t power = unit.empty() ? 0 : kUnits.find(unit.front());
  const std::string_view tail = std::string_view(unit).substr(unit.empty() ? 0 : 1);
  const bool known = power != std::string_view::npos && (tail.empty() || (power > 0 && (tail == "b" || tail == "ib")));
  for (std::size_t i = 0; known && i < power; ++i) {
    number *= 1024;
  }
  if (code != std::errc() || !known || !(number >= 0) || number > 9e18) {
    fail("invalid value for size: " + value);
  }
  return static_cast<std::uint64_t>(number);
}

struct Reader {
  MountSpec spec;
  std::optional<bool> read_only;
  std::optional<bool> required;
  std::optional<MountSpec::Sharing> sharing;

  void set(const std::string& key, const std::string& value) {
    if (key == "type") {
      spec.type = pick(kTypes, value, "mount type");
    } else if (key == "from") {
      spec.from = value;
    } else if (key == "source" || key == "src") {
      spec.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      spec.target = value;
    } else if (key == "readonly" || key == "ro") {
      read_only = parse_bool(key, value);
    } else if (key == "readwrite" || key == "rw") {
      read_only = !parse_bool(key, value);
    } else if (key == "required") {
      required = parse_bool(key, value);
    } else if (key == "size") {
      spec.size = parse_size(value);
    } else if (key == "id") {
      spec.id = value;
    } else if (key == "sharing") {
      sharing = pick(kSharings, value, "sharing value");
    } else if (key == "mode") {
      spec.mode = parse_number(key, value, 8);
    } else if (key == "uid") {
      spec.uid = parse_number(key, value, 10);
    } else if (key == "gid") {
      spec.gid = parse_number(key, value, 10);
    } else {
      spec.env = value;
    }
  }

  MountSpec finish() {
    const Type type = spec.type;
    const std::string name = name_of(type);
    if (required && type != Type::secret && type != Type::ssh) {
      fail("unexpected key 'required' for mount type '" + name + "'");
    }
    if (spec.size && type != Type::tmpfs) {
      fail("unexpected key 'size' for mount type '" + name + "'");
    }
    if (spec.env && type != Type::secret) {
      fail("unexpected key 'env' for mount type '" + name + "'");
    }
    if (type == Type::bind || type == Type::tmpfs) {
      const char* key = spec.mode ? "mode" : spec.uid ? "uid" : spec.gid ? "gid" : nullptr;
      if (key != nullptr) {
        fail(std::string(key) + " not allowed for " + quote(name) + " type mounts");
      }
    }
    if (type == Type::secret) {
      check_secret();
    }
    if (sharing && type != Type::cache) {
      fail("invalid cache sharing set for " + name + " mount");
    }
    if (type == Type::ssh && !spec.source.empty()) {
      fail("ssh does not support source");
    }
    spec.sharing = sharing.value_or(MountSpec::Sharing::shared);
    spec.required = required.value_or(false);
    spec.read_only = read_only.value_or(type != Type::cache && type != Type::tmpfs);
    return std::move(spec);
  }

  void check_secret() const {
    if (!spec.from.empty()) {
      fail("secret mount should not have a from");
    }
    if (sharing) {
      fail("secret mount should not define sharing");
    }
    if (spec.source.empty() && spec.target.empty() && spec.id.empty()) {
      fail("invalid secret mount. one of source, target required");
    }
    if (!spec.source.empty() && !spec.id.empty()) {
      fail("both source and id can't be set");
    }
  }
};

}  // namespace

MountSpec parse_mount(std::string_view text, const std::function<std::string(std::string_view)>& expand) {
  Reader reader;
  bool deferred = false;
  for (const std::string& field : split_csv(text)) {
    const std::size_t equals = field.find('=');
    const std::string key = lower(std::string_view(field).substr(0, equals));
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      if (equals == std::string::npos) {
        fail("invalid field '" + field + "' must be a key=value pair");
      }
      fail("unexpected key '" + key + "' in '" + field + "'" + did_you_mean(key, {kKeys.begin(), kKeys.end()}));
    }
    if (equals == std::string::npos) {
      static constexpr std::array<std::string_view, 5> kAlone{"readonly", "ro", "readwrite", "rw", "required"};
      if (std::find(kAlone.begin(), kAlone.end(), key) == kAlone.end()) {
        fail("invalid field '" + field + "' must be a key=value pair");
      }
      reader.set(key, "true");
      continue;
    }
    std::string value = field.substr(equals + 1);
    const std::size_t dollar = value.find('$');
    if (key == "from" && dollar != std::string::npos && dollar + 1 < value.size()) {
      fail("'from' doesn't support variable expansion, define alias stage instead");
    }
    if (expand) {
      value = expand(value);
    } else if (value.find_first_of("$\\`'\"") != std::string::npos) {
      deferred = true;
      continue;
    }
    reader.set(key, value);
  }
  return deferred ? std::move(reader.spec) : reader.finish();
}

}  // namespace dlc::dockerfile
