#include "build/keys.h"

#include <map>

#include <nlohmann/json.hpp>

#include "build/key_hasher.h"
#include "build/selection.h"
#include "build/tree_digest.h"

namespace dlc::build {

namespace {

constexpr std::string_view kSchema = "dlc step 1";

/// What a step takes of the host tree that is its input `index`.
struct Taken {
  CopySource source;
  bool parents = false;
  std::vector<std::string> excludes;
  std::string label;
};

std::vector<Taken> taken_of(const Op& op, std::uint32_t index) {
  std::vector<Taken> taken;
  if (const auto* copy = std::get_if<CopyOp>(&op)) {
    for (const auto& source : copy->sources) {
      if (source.input == index) {
        taken.push_back({source, copy->parents, copy->excludes, source.path.empty() ? "." : source.path});
      }
    }
  } else if (const auto* run = std::get_if<RunOp>(&op)) {
    for (const auto& mount : run->mounts) {
      if (mount.input >= 0 && static_cast<std::uint32_t>(mount.input) == index) {
        taken.push_back({{.input = index, .path = mount.source, .unpack = false}, false, {}, "mount " + mount.target});
      }
    }
  }
  return taken;
}

Digest digest_taken(const Op& op, std::uint32_t index, const Tree& tree, store::Records& records, unsigned threads,
                    KeyParts& parts) {
  KeyHasher all("sources");
  for (const auto& taken : taken_of(op, index)) {
    const auto selected = select(tree, taken.source, taken.parents);
    const auto digest = digest_selection(tree, selected, taken.excludes, records, threads);
    parts.emplace_back("content of " + taken.label, digest.hex());
    all.add(digest);
  }
  return all.finish();
}

}  // namespace

StepKeys make_keys(const Vertex& vertex, const std::vector<InputKey>& inputs, store::Records& records,
                   unsigned threads) {
  StepKeys keys;
  KeyHasher operation(kSchema);
  operation.add(canonical_text(vertex.op));
  operation.add(vertex.epoch ? std::to_string(*vertex.epoch) : "none");
  keys.operation = operation.finish();
  keys.parts.emplace_back("the instruction", keys.operation.hex());
  KeyHasher definition("definition");
  definition.add(keys.operation);
  for (std::uint32_t i = 0; i < inputs.size(); ++i) {
    std::optional<Digest> source;
    if (inputs[i].tree) {
      source = digest_taken(vertex.op, i, *inputs[i].tree, records, threads, keys.parts);
      definition.add(*source);
    } else {
      definition.add(inputs[i].definition.value());
      keys.parts.emplace_back(i == 0 ? "the step before" : "stage of input " + std::to_string(i),
                              inputs[i].definition->hex());
    }
    keys.sources.push_back(source);
  }
  keys.definition = definition.finish();
  return keys;
}

Digest content_key(const StepKeys& keys, const std::vector<std::optional<Digest>>& chains) {
  KeyHasher content("content");
  content.add(keys.operation);
  for (std::size_t i = 0; i < keys.sources.size(); ++i) {
    content.add(keys.sources[i] ? *keys.sources[i] : chains.at(i).value());
  }
  return content.finish();
}

Digest chain_of(const oci::ImageConfig& config) {
  Digest chain;
  for (const auto& diff_id : config.diff_ids) {
    chain = oci::chain_id(chain, diff_id);
  }
  return chain;
}

std::string to_json(const KeyParts& parts) {
  auto list = nlohmann::json::array();
  for (const auto& [name, value] : parts) {
    list.push_back({name, value});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string explain_difference(const std::string& before, const KeyParts& now) {
  const auto list = nlohmann::json::parse(before, nullptr, false);
  if (!list.is_array()) {
    return "";
  }
  std::map<std::string, std::string> old;
  for (const auto& part : list) {
    if (part.is_array() && part.size() == 2 && part[0].is_string() && part[1].is_string()) {
      old[part[0]] = part[1];
    }
  }
  constexpr std::size_t kShown = 4;
  std::string before_step;
  for (const auto& [name, value] : now) {
    const auto known = old.find(name);
    if (known != old.end() && known->second == value) {
      continue;
    }
    const auto change = known == old.end() ? name + " is new"
                                           : name + " changed (" + known->second.substr(0, kShown) + "… → " +
                                                 value.substr(0, kShown) + "…)";
    if (name != "the step before") {
      return change;
    }
    before_step = "the step before changed";
  }
  return before_step;
}

}  // namespace dlc::build
