#pragma once
// The lint rules that need one document only. Internal to this folder.
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "buildspec/document.h"

namespace dlc::buildspec {

class DocumentLint {
 public:
  DocumentLint(const Document& document, const Environment& environment, Diagnostics& diagnostics);
  void run();

 private:
  void placeholders();
  void repeated_keys_and_tags();
  void number_versions();
  void number_version(const Node& node);
  void shared_variables();
  void misplaced_images();
  void misplaced_image(const Entry& entry, const std::string& path, bool below_images);
  void keys(const Node& map, std::span<const std::string> known, const std::string& what);
  void effect(const Entry& entry);
  void image(const Entry& entry);
  void build_flag(const Entry& entry, const Node& image);
  void flag_name(const Entry& build, const Node& image);
  void context_keys(const Node& holder, int depth);
  void warn(const Position& at, std::string message, std::string hint, const char* rule,
            Severity severity = Severity::warning);

  const Document& document_;
  const Environment& environment_;
  Diagnostics& diagnostics_;
  std::string framework_;
  std::unordered_set<const Node*> versions_;    ///< reported as numbers
  std::unordered_set<const Node*> searched_;    ///< for misplaced images
  std::unordered_set<const Node*> incomplete_;  ///< context entries reported
};

}  // namespace dlc::buildspec
