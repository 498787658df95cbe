#include "buildspec/events.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <array>

#include "buildspec/text_place.h"

namespace dlc::buildspec {

struct EventReader::Parser {
  yaml_parser_t parser{};
  bool failed = false;

  Parser() {
    if (yaml_parser_initialize(&parser) == 0) {
      throw Error(ErrorKind::exhausted, "not enough memory to read a buildspec");
    }
  }
  ~Parser() { yaml_parser_delete(&parser); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
};

namespace {

Position position_of(const yaml_mark_t& mark) {
  constexpr std::size_t kMost = 1 << 30;
  return {static_cast<int>(std::min(mark.line, kMost)) + 1, static_cast<int>(std::min(mark.column, kMost)) + 1, 1};
}

std::string text_of(const yaml_char_t* text) {
  // libyaml's strings are unsigned char.
  return text != nullptr ? std::string(reinterpret_cast<const char*>(text)) : std::string();
}

void take_scalar(const yaml_event_t& event, Event& result) {
  const auto& scalar = event.data.scalar;
  result.kind = EventKind::scalar;
  result.anchor = text_of(scalar.anchor);
  result.tag = text_of(scalar.tag);
  result.value.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
  result.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.plain_implicit != 0;
}

Event convert(const yaml_event_t& event) {
  Event result;
  result.start = position_of(event.start_mark);
  result.stop = position_of(event.end_mark);
  switch (event.type) {
    case YAML_STREAM_END_EVENT:
      result.kind = EventKind::stream_end;
      break;
    case YAML_DOCUMENT_START_EVENT:
      result.kind = EventKind::document_start;
      break;
    case YAML_DOCUMENT_END_EVENT:
      result.kind = EventKind::document_end;
      break;
    case YAML_ALIAS_EVENT:
      result.kind = EventKind::alias;
      result.anchor = text_of(event.data.alias.anchor);
      break;
    case YAML_SCALAR_EVENT:
      take_scalar(event, result);
      break;
    case YAML_SEQUENCE_START_EVENT:
      result.kind = EventKind::sequence;
      result.anchor = text_of(event.data.sequence_start.anchor);
      result.tag = text_of(event.data.sequence_start.tag);
      break;
    case YAML_MAPPING_START_EVENT:
      result.kind = EventKind::mapping;
      result.anchor = text_of(event.data.mapping_start.anchor);
      result.tag = text_of(event.data.mapping_start.tag);
      break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      result.kind = EventKind::end;
      break;
    default:
      result.kind = EventKind::failed;
      break;
  }
  return result;
}

/// What a person can make of libyaml's most frequent complaints.
struct Explanation {
  std::string_view problem;
  std::string_view message;
  std::string_view hint;
};
constexpr auto kExplanations = std::to_array<Explanation>({
    {"mapping values are not allowed in this context", "a second `: ` on this line, or a wrong indentation above",
     "quote the value, or indent it as its neighbours are"},
    {"did not find expected key", "this line fits no map above it",
     "indent it as the keys it belongs to, or close a quote above"},
    {"did not find expected ',' or ']'", "the list that begins here is not closed", "expected , or ]"},
    {"did not find expected ',' or '}'", "the map that begins here is not closed", "expected , or }"},
    {"could not find expected ':'", "a key without a value", "expected `key: value`"},
    {"found unexpected end of stream", "the quote that begins here is not closed", "add the closing quote"},
    {"block sequence entries are not allowed in this context", "a list item can't stand here",
     "put the list on the lines below its key"},
    {"did not find expected '-' indicator", "this line fits no list above it", "indent it as the list's items"},
    {"found unknown escape character", "an unknown escape in double quotes", "use single quotes, or write \\\\"},
    {"did not find expected alphabetic or numeric character", "an anchor or alias without a name",
     "write &NAME or *NAME; quote the value if it is text"},
    {"found undefined tag handle", "an undefined tag", "the one tag is !join"},
    {"did not find expected node content", "a value is missing", "expected a value"},
    {"found duplicate %YAML directive", "two %YAML lines", "keep one"},
    {"found incompatible YAML document", "an unknown YAML version", "buildspecs are YAML 1.2"},
});

bool tab_at(std::string_view text, const yaml_mark_t& mark) {
  std::size_t start = 0;
  for (std::size_t line = 0; line < mark.line && start != std::string_view::npos; ++line) {
    start = text.find('\n', start);
    start = start == std::string_view::npos ? start : start + 1;
  }
  return start != std::string_view::npos && start + mark.column < text.size() && text[start + mark.column] == '\t';
}

}  // namespace

EventReader::EventReader(std::string_view text)
    : text_(text.substr(mark_size(text))), parser_(std::make_unique<Parser>()) {
  yaml_parser_set_input_string(&parser_->parser, reinterpret_cast<const unsigned char*>(text_.data()), text_.size());
  yaml_parser_set_encoding(&parser_->parser, YAML_UTF8_ENCODING);
}

EventReader::~EventReader() = default;

Event EventReader::next() {
  while (!parser_->failed) {
    yaml_event_t raw;
    if (yaml_parser_parse(&parser_->parser, &raw) == 0) {
      parser_->failed = true;
      break;
    }
    struct Release {
      yaml_event_t* event;
      ~Release() { yaml_event_delete(event); }
    } const release{&raw};
    if (raw.type != YAML_STREAM_START_EVENT) {
      return convert(raw);
    }
  }
  return {};
}

SyntaxError EventReader::error() const {
  const auto& parser = parser_->parser;
  if (parser.error == YAML_MEMORY_ERROR) {
    throw Error(ErrorKind::exhausted, "not enough memory to read a buildspec");
  }
  const std::string problem = parser.problem != nullptr ? parser.problem : "not YAML";
  if (parser.error == YAML_READER_ERROR) {
    const auto before = text_.substr(0, std::min(parser.problem_offset, text_.size()));
    const auto last = before.rfind('\n');
    const auto column = before.size() - (last == std::string_view::npos ? 0 : last + 1);
    return {{static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1, static_cast<int>(column) + 1, 1},
            "a byte that is no UTF-8 text (" + problem + ")",
            "save the file as UTF-8"};
  }
  SyntaxError error{position_of(parser.problem_mark), problem, {}};
  if (problem == "found character that cannot start any token") {
    const bool tab = tab_at(text_, parser.problem_mark);
    error.message = tab ? "a tab can't indent" : "a value can't begin with this character";
    error.hint = tab ? "use blanks" : "quote the value";
    return error;
  }
  const auto* found = std::find_if(kExplanations.begin(), kExplanations.end(),
                                   [&](const Explanation& known) { return known.problem == problem; });
  if (found != kExplanations.end()) {
    error.message = found->message;
    error.hint = found->hint;
    if (found->message.find("begins here") != std::string_view::npos && parser.context != nullptr) {
      error.at = position_of(parser.context_mark);
      return error;
    }
  }
  if (parser.context != nullptr && parser.context_mark.line != parser.problem_mark.line) {
    error.message += fmt::format(" ({} from line {})", parser.context, parser.context_mark.line + 1);
  }
  return error;
}

}  // namespace dlc::buildspec
