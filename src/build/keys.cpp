#include "build/keys.h"

#include "build/key_hasher.h"
#include "build/selection.h"
#include "build/tree_digest.h"

namespace dlc::build {

namespace {

constexpr std::string_view kSchema = "dlc step 1";
constexpr std::size_t kNamedFiles = 128;  // more are explained by their digest together

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
    std::vector<NamedFile> files;
    const auto digest = digest_selection(tree, selected, taken.excludes, records, threads, &files);
    parts.emplace_back("content of " + taken.label, digest.hex());
    if (files.size() <= kNamedFiles) {
      for (auto& file : files) {
        parts.emplace_back("file " + file.path, std::move(file.identity));
      }
    }
    all.add(digest);
  }
  return all.finish();
}

}  // namespace

std::string_view key_schema() noexcept {
  return kSchema;
}

StepKeys make_keys(const Vertex& vertex, const std::vector<InputKey>& inputs, store::Records& records,
                   unsigned threads) {
  StepKeys keys;
  KeyHasher operation(kSchema);
  const auto canonical = canonical_text(vertex.op);
  const auto epoch = vertex.epoch ? std::to_string(*vertex.epoch) : "none";
  operation.add(canonical);
  operation.add(epoch);
  keys.operation = operation.finish();
  keys.parts = operation_parts(vertex.op, canonical);
  keys.parts.emplace_back("latest time of files", epoch);
  KeyHasher definition("definition");
  definition.add(keys.operation);
  for (std::uint32_t i = 0; i < inputs.size(); ++i) {
    std::optional<Digest> source;
    if (inputs[i].tree) {
      source = digest_taken(vertex.op, i, *inputs[i].tree, records, threads, keys.parts);
      definition.add(*source);
    } else {
      definition.add(inputs[i].definition.value());
      keys.parts.emplace_back(inputs[i].label, inputs[i].definition->hex());
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

}  // namespace dlc::build
