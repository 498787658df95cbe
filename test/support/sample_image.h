#pragma once
// Images in memory: a few entries for each layer and the bytes of their files.
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "contents/image_tree.h"

namespace dlc::contents::test {

/// Collects layers; directories above an entry come by themselves.
class SampleImage : public LayerFiles {
 public:
  SampleImage() { layers_.emplace_back(); }

  void next_layer() { layers_.emplace_back(); }
  store::IndexEntry& add(char type, std::string path, std::string content = {}, std::uint32_t mode = 0644) {
    if (const auto slash = path.rfind('/'); slash != std::string::npos && !known_.contains(path.substr(0, slash))) {
      add('d', path.substr(0, slash));
    }
    known_.insert(path);
    return without_parents(type, std::move(path), std::move(content), mode);
  }
  /// Leaves the directories above it out, as some tools' layers do.
  store::IndexEntry& without_parents(char type, std::string path, std::string content, std::uint32_t mode = 0644) {
    store::IndexEntry entry;
    entry.path = std::move(path);
    entry.type = type;
    entry.mode = type == 'd' ? 0755 : mode;
    if (type == 'f') {
      entry.size = content.size();
      bytes_[{layers_.size() - 1, entry.path}] = std::move(content);
    } else {
      entry.link = std::move(content);
    }
    return layers_.back().emplace_back(std::move(entry));
  }
  store::IndexEntry& file(std::string path, std::string content, std::uint32_t mode = 0644) {
    return add('f', std::move(path), std::move(content), mode);
  }
  store::IndexEntry& directory(std::string path) { return add('d', std::move(path)); }
  store::IndexEntry& link(std::string path, std::string target) {
    return add('l', std::move(path), std::move(target), 0777);
  }
  [[nodiscard]] const std::vector<std::vector<store::IndexEntry>>& layers() const { return layers_; }
  [[nodiscard]] ImageTree tree() const { return ImageTree(layers_, *this); }

  [[nodiscard]] std::string read(std::size_t layer, const std::string& path, std::uint64_t offset,
                                 std::uint64_t limit) const override {
    return bytes_.at({layer, path}).substr(offset, limit);
  }

 private:
  std::vector<std::vector<store::IndexEntry>> layers_;
  std::set<std::string> known_;
  std::map<std::pair<std::size_t, std::string>, std::string> bytes_;
};

/// A small 64-bit x86-64 shared object with a dynamic section.
struct SampleElf {
  std::vector<std::string> needed;
  std::string soname = {};
  std::string rpath = {};
  std::string runpath = {};
  std::uint16_t machine = 62;
  std::string interpreter = {};

  [[nodiscard]] std::string bytes() const {
    std::string strings(1, '\0');
    std::vector<std::pair<std::uint64_t, std::uint64_t>> dynamic;
    const auto add = [&](std::uint64_t tag, const std::string& text) {
      if (!text.empty()) {
        dynamic.emplace_back(tag, strings.size());
        strings += text + '\0';
      }
    };
    for (const auto& name : needed) {
      add(1, name);
    }
    add(14, soname);
    add(15, rpath);
    add(29, runpath);
    constexpr std::uint64_t kHeaders = 64 + 3 * 56;
    constexpr std::uint64_t kBase = 0x400000;
    const std::uint64_t table = (dynamic.size() + 2) * 16;
    dynamic.emplace_back(5, kBase + kHeaders + table);
    dynamic.emplace_back(0, 0);
    const auto interpreter_at = kHeaders + table + strings.size();
    const auto end = interpreter_at + interpreter.size() + 1;
    std::string out(
        "\x7f"
        "ELF\x02\x01\x01",
        7);
    out.resize(16);
    const auto number = [&out](std::uint64_t value, int size) {
      for (int i = 0; i < size; ++i) {
        out += static_cast<char>(value >> (8 * i));
      }
    };
    number(3, 2), number(machine, 2), number(1, 4), number(0, 8), number(64, 8), number(0, 8), number(0, 4);
    number(64, 2), number(56, 2), number(3, 2), number(64, 2), number(0, 2), number(0, 2);
    const auto segment = [&](std::uint64_t type, std::uint64_t offset, std::uint64_t size) {
      number(type, 4), number(4, 4), number(offset, 8), number(kBase + offset, 8), number(kBase + offset, 8);
      number(size, 8), number(size, 8), number(1, 8);
    };
    segment(1, 0, end), segment(2, kHeaders, table);
    segment(interpreter.empty() ? 0 : 3, interpreter_at, interpreter.size() + 1);
    for (const auto& [tag, value] : dynamic) {
      number(tag, 8), number(value, 8);
    }
    return out + strings + interpreter + '\0';
  }
};

}  // namespace dlc::contents::test
