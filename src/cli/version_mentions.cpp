#include "cli/version_mentions.h"

#include <algorithm>
#include <cctype>

#include "base/files.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// The next place at which the version stands as a word of its own.
std::size_t find_version(std::string_view text, std::string_view version, std::size_t from) {
  for (auto at = text.find(version, from); at != std::string_view::npos; at = text.find(version, at + 1)) {
    const auto end = at + version.size();
    const bool begins = at == 0 || (!is_word(text[at - 1]) && text[at - 1] != '.') ||
                        (at > 1 && text[at - 1] == 'v' && !is_word(text[at - 2])) || (at == 1 && text[0] == 'v');
    const bool ends =
        end == text.size() || (!is_word(text[end]) && (text[end] != '.' || end + 1 == text.size() ||
                                                       std::isdigit(static_cast<unsigned char>(text[end + 1])) == 0));
    if (begins && ends) {
      return at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string replace_version(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t done = 0;
  for (auto at = find_version(text, from, 0); at != std::string_view::npos; at = find_version(text, from, done)) {
    result += text.substr(done, at - done);
    result += to;
    done = at + from.size();
  }
  return result + std::string(text.substr(done));
}

bool names_version(std::string_view text, std::string_view version) {
  return find_version(text, version, 0) != std::string_view::npos;
}

void add_mentions(const std::string& path, std::string_view content, std::string_view version,
                  std::vector<Mention>& found) {
  int number = 0;
  while (!content.empty()) {
    ++number;
    const auto end = std::min(content.find('\n'), content.size());
    auto line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (!names_version(line, version)) {
      continue;
    }
    const auto first = std::min(line.find_first_not_of(" \t"), line.size());
    line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    constexpr std::size_t kWidest = 120;
    found.push_back({path, number, std::string(line.substr(0, kWidest))});
  }
}

void add_mentions_below(const fs::path& root, const std::string& directory, std::string_view version,
                        const std::function<bool(const std::string& path)>& skip, std::vector<Mention>& found) {
  constexpr std::uint64_t kLargest = 1 << 20;
  std::vector<std::string> files;
  std::vector<std::string> directories;
  std::error_code error;
  for (fs::directory_iterator entry(root / directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const auto name = entry->path().filename().string();
    const auto path = directory.empty() ? name : directory + "/" + name;
    std::error_code gone;
    const auto status = entry->symlink_status(gone);
    if (name.starts_with('.') || skip(path)) {
      continue;
    }
    if (fs::is_directory(status)) {
      directories.push_back(path);
    } else if (fs::is_regular_file(status) && entry->file_size(gone) <= kLargest && !gone) {
      files.push_back(path);
    }
  }
  std::ranges::sort(files);
  std::ranges::sort(directories);
  for (const auto& path : files) {
    const auto content = read_file(root / path);
    if (content.find('\0') == std::string::npos) {
      add_mentions(path, content, version, found);
    }
  }
  for (const auto& path : directories) {
    add_mentions_below(root, path, version, skip, found);
  }
}

}  // namespace dlc::cli
