#include "buildspec/document.h"

#include <utility>

#include "buildspec/composer.h"
#include "buildspec/text_place.h"

namespace dlc::buildspec {

const Entry* Node::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) {
      return &entry;
    }
  }
  return nullptr;
}

Document::Document(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
  line_starts_.push_back(mark_size(text_));
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n' || (text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n'))) {
      line_starts_.push_back(i + 1);
    }
  }
}

std::shared_ptr<const Document> Document::parse(std::string name, std::string text, const Environment& environment,
                                                Diagnostics& diagnostics) {
  // The constructor is private, so make_shared can't be used.
  std::shared_ptr<Document> document(new Document(std::move(name), std::move(text)));
  Composer(*document, environment, diagnostics).compose();
  return document;
}

std::string_view Document::line(int number) const {
  if (number < 1 || static_cast<std::size_t>(number) > line_starts_.size()) {
    return {};
  }
  const auto index = static_cast<std::size_t>(number);
  const std::size_t start = line_starts_[index - 1];
  std::size_t end = index < line_starts_.size() ? line_starts_[index] : text_.size();
  while (end > start && (text_[end - 1] == '\n' || text_[end - 1] == '\r')) {
    --end;
  }
  return std::string_view(text_).substr(start, end - start);
}

const std::vector<const Node*>& Document::definitions(std::string_view anchor) const {
  static const std::vector<const Node*> kNone;
  const auto found = anchors_.find(anchor);
  return found != anchors_.end() ? found->second : kNone;
}

const std::string* Document::part_replacement(const Node& node) const {
  const bool kind_fits = node.kind == Kind::string || node.kind == Kind::floating || node.kind == Kind::boolean;
  if (node.anchor.empty() || !kind_fits) {
    return nullptr;
  }
  const auto found = replacements_.find(node.anchor);
  return found != replacements_.end() ? &found->second : nullptr;
}

const std::string* Document::replacement(const Use& use) const {
  return use.replaceable ? part_replacement(*use.node) : nullptr;
}

const std::string& Document::text(const Use& use) const {
  const std::string* replaced = replacement(use);
  return replaced != nullptr ? *replaced : use.node->text;
}

Kind Document::kind(const Use& use) const {
  return replacement(use) != nullptr ? Kind::string : use.node->kind;
}

SourceLocation Document::location(const Position& at) const {
  return {name_, at.line, at.column};
}

Diagnostic Document::finding(Severity severity, const Position& at, std::string message, std::string hint,
                             std::string rule) const {
  Diagnostic diagnostic;
  diagnostic.severity = severity;
  diagnostic.where = location(at);
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
  diagnostic.rule = std::move(rule);
  constexpr std::size_t kShown = 500;  // a minified file's line would fill the screen
  const auto text = line(at.line);
  if (text.size() <= kShown) {
    diagnostic.line = std::string(text);
  }
  diagnostic.width = at.width;
  return diagnostic;
}

}  // namespace dlc::buildspec
