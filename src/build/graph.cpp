#include "build/graph.h"

#include <algorithm>

namespace dlc::build {

namespace {

/// Writes fields without ambiguity: each with its length in front.
class Text {
 public:
  Text& add(std::string_view field) {
    text_ += std::to_string(field.size());
    text_ += ':';
    text_ += field;
    return *this;
  }
  Text& add(std::uint64_t number) { return add(std::string_view(std::to_string(number))); }
  Text& add(bool flag) { return add(std::string_view(flag ? "1" : "0")); }
  Text& add(const std::vector<std::string>& list) {
    add(static_cast<std::uint64_t>(list.size()));
    for (const auto& item : list) {
      add(std::string_view(item));
    }
    return *this;
  }
  Text& add(const std::vector<InlineFile>& files) {
    add(static_cast<std::uint64_t>(files.size()));
    for (const auto& file : files) {
      add(std::string_view(file.name)).add(std::string_view(file.data));
    }
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::vector<std::string> sorted(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  return list;
}

void write(Text& text, const Mount& mount) {
  // Out: limits (size) and the sharing mode, which decide how a step runs, not what it makes.
  text.add(static_cast<std::uint64_t>(mount.type)).add(std::string_view(mount.target));
  text.add(static_cast<std::uint64_t>(mount.input + 1)).add(std::string_view(mount.source)).add(mount.read_write);
  text.add(std::string_view(mount.id)).add(mount.mode ? std::uint64_t{*mount.mode} + 1 : std::uint64_t{0});
  text.add(std::uint64_t{mount.uid}).add(std::uint64_t{mount.gid}).add(mount.required);
  text.add(std::string_view(mount.env)).add(mount.target_set);
}

std::string text_of(const ScratchOp&) {
  return "scratch";
}

std::string text_of(const ImageOp& op) {
  Text text;
  text.add(std::string_view("image"));
  for (const auto& diff_id : op.image->config.diff_ids) {
    text.add(std::string_view(diff_id.str()));
  }
  return text.take();
}

std::string text_of(const LocalOp& op) {
  Text text;
  text.add(std::string_view("local")).add(std::string_view(op.name)).add(static_cast<std::uint64_t>(op.entries.size()));
  for (const auto& entry : op.entries) {
    text.add(std::string_view(entry.source)).add(std::string_view(entry.target));
  }
  return text.add(op.ignore).take();
}

std::string text_of(const HttpOp& op) {
  Text text;
  text.add(std::string_view("http")).add(std::string_view(op.url)).add(std::string_view(op.filename));
  return text.add(std::string_view(op.checksum ? op.checksum->str() : "")).take();
}

std::string text_of(const GitOp& op) {
  Text text;
  text.add(std::string_view("git")).add(std::string_view(op.url)).add(std::string_view(op.ref));
  return text.add(std::string_view(op.subdir)).add(op.keep_git_dir).add(std::string_view(op.checksum)).take();
}

std::string text_of(const RunOp& op) {
  // Out: proxies, limits (shm, ulimits), and the content of secrets and agents.
  Text text;
  text.add(std::string_view("run")).add(op.argv).add(sorted(op.env)).add(std::string_view(op.cwd));
  text.add(std::string_view(op.user)).add(static_cast<std::uint64_t>(op.mounts.size()));
  for (const auto& mount : op.mounts) {
    write(text, mount);
  }
  text.add(op.inline_files).add(static_cast<std::uint64_t>(op.network)).add(op.insecure);
  for (const auto& host : op.extra_hosts) {
    text.add(std::string_view(host.host));  // the address is the network's business, as in BuildKit
  }
  return text.add(std::string_view(op.hostname)).take();
}

std::string text_of(const CopyOp& op) {
  Text text;
  text.add(std::string_view("copy")).add(static_cast<std::uint64_t>(op.sources.size()));
  for (const auto& source : op.sources) {
    text.add(std::uint64_t{source.input}).add(std::string_view(source.path)).add(source.unpack);
  }
  text.add(op.inline_files).add(std::string_view(op.dest)).add(op.dest_is_directory);
  text.add(std::string_view(op.chown)).add(std::string_view(op.chmod)).add(op.link).add(op.parents);
  return text.add(op.excludes).take();
}

std::string text_of(const MakeDirectoryOp& op) {
  Text text;
  return text.add(std::string_view("mkdir")).add(std::string_view(op.path)).add(std::string_view(op.user)).take();
}

}  // namespace

std::string canonical_text(const Op& op) {
  return std::visit([](const auto& one) { return text_of(one); }, op);
}

VertexId Graph::add(Vertex vertex) {
  Text text;
  text.add(std::string_view(canonical_text(vertex.op))).add(vertex.no_cache);
  text.add(std::string_view(vertex.epoch ? std::to_string(*vertex.epoch) : ""));
  for (const auto input : vertex.inputs) {
    text.add(std::uint64_t{input});
  }
  const auto [place, fresh] = known_.try_emplace(text.take(), static_cast<VertexId>(vertices_.size()));
  if (fresh) {
    vertices_.push_back(std::move(vertex));
  }
  return place->second;
}

}  // namespace dlc::build
