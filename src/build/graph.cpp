#include "build/graph.h"

#include <algorithm>

namespace dlc::build {

namespace {

/// Writes named fields so that different operations give different texts: each value with its length.
class Writer {
 public:
  Writer& field(std::string_view name, std::string_view value) {
    text_.append(name).append(1, ' ').append(std::to_string(value.size())).append(1, ':').append(value).append(1, '\n');
    return *this;
  }
  Writer& field(std::string_view name, std::uint64_t value) {
    return field(name, std::string_view(std::to_string(value)));
  }
  Writer& list(std::string_view name, const std::vector<std::string>& values) {
    field(name, values.size());
    for (const auto& value : values) {
      field("-", value);
    }
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string digest_text(const Digest& digest) {
  return digest.is_zero() ? std::string() : digest.str();
}

void write(Writer& out, const ScratchOp&) {
  out.field("op", "scratch");
}

void write(Writer& out, const ImageOp& op) {
  out.field("op", "image").field("manifest", digest_text(op.image->manifest_digest));
  for (const auto& diff_id : op.image->config.diff_ids) {
    out.field("layer", diff_id.str());
  }
}

void write(Writer& out, const LocalOp& op) {
  out.field("op", "local").field("name", op.name).list("ignore", op.ignore);
  for (const auto& entry : op.entries) {
    out.field("source", entry.source).field("target", entry.target);
    out.field("mode", entry.mode ? std::to_string(*entry.mode) : "");
  }
}

void write(Writer& out, const HttpOp& op) {
  out.field("op", "http").field("url", op.url).field("filename", op.filename);
  out.field("checksum", op.checksum ? op.checksum->str() : "").field("unpack", op.unpack ? 1 : 0);
}

void write(Writer& out, const GitOp& op) {
  out.field("op", "git").field("url", op.url).field("ref", op.ref).field("subdir", op.subdir);
  out.field("keep_git_dir", op.keep_git_dir ? 1 : 0).field("submodules", op.submodules ? 1 : 0);
  out.field("commit_times", op.commit_times ? 1 : 0).field("checksum", op.checksum);
}

void write_inline_files(Writer& out, const std::vector<InlineFile>& files) {
  for (const auto& file : files) {
    out.field("inline", file.name).field("data", file.data);
  }
}

void write(Writer& out, const Mount& mount) {
  out.field("mount", static_cast<std::uint64_t>(mount.type)).field("target", mount.target);
  out.field("input", std::to_string(mount.input)).field("source", mount.source).field("rw", mount.read_write ? 1 : 0);
  out.field("id", mount.id).field("mode", mount.mode ? std::to_string(*mount.mode) : "");
  out.field("uid", mount.uid).field("gid", mount.gid).field("size", mount.size);
  out.field("required", mount.required ? 1 : 0).field("env", mount.env).field("file", mount.target_set ? 1 : 0);
}

void write(Writer& out, const RunOp& op) {
  auto env = op.env;
  std::sort(env.begin(), env.end());
  out.field("op", "run").list("argv", op.argv).list("env", env).field("cwd", op.cwd).field("user", op.user);
  out.field("network", static_cast<std::uint64_t>(op.network)).field("insecure", op.insecure ? 1 : 0);
  out.field("hostname", op.hostname);
  if (!op.platform.empty()) {
    out.field("platform", op.platform);
  }
  for (const auto& device : op.devices) {
    out.field("device", device.name).field("required", device.required ? 1 : 0);
  }
  for (const auto& host : op.extra_hosts) {
    out.field("host", host.host);
  }
  for (const auto& mount : op.mounts) {
    write(out, mount);
  }
  write_inline_files(out, op.inline_files);
}

void write(Writer& out, const CopyOp& op) {
  out.field("op", "copy").field("dest", op.dest).field("directory", op.dest_is_directory ? 1 : 0);
  out.field("chown", op.chown).field("chmod", op.chmod).field("link", op.link ? 1 : 0);
  out.field("parents", op.parents ? 2 : 0).list("excludes", op.excludes);  // 2: directories keep their names
  for (const auto& source : op.sources) {
    out.field("input", source.input).field("path", source.path).field("unpack", source.unpack ? 1 : 0);
  }
  write_inline_files(out, op.inline_files);
}

void write(Writer& out, const MakeDirectoryOp& op) {
  out.field("op", "mkdir").field("path", op.path).field("user", op.user);
}

// What changes no result but makes a step another step within one graph: limits, proxies, addresses, sharing.
void write_circumstances(Writer& out, const RunOp& op) {
  out.list("proxy", op.proxy_env).field("shm", op.shm_size);
  for (const auto& host : op.extra_hosts) {
    out.field("address", host.address);
  }
  for (const auto& limit : op.ulimits) {
    out.field("ulimit", limit.name).field("soft", limit.soft).field("hard", limit.hard);
  }
  for (const auto& mount : op.mounts) {
    out.field("sharing", static_cast<std::uint64_t>(mount.sharing));
  }
}

}  // namespace

std::string canonical_text(const Op& op) {
  Writer out;
  std::visit([&out](const auto& one) { write(out, one); }, op);
  return out.take();
}

VertexId Graph::add(Vertex vertex) {
  Writer identity;
  identity.field("op", canonical_text(vertex.op));
  if (const auto* run = std::get_if<RunOp>(&vertex.op)) {
    write_circumstances(identity, *run);
  }
  for (const auto input : vertex.inputs) {
    identity.field("input", input);
  }
  identity.field("epoch", vertex.epoch ? std::to_string(*vertex.epoch) : "").field("no_cache", vertex.no_cache ? 1 : 0);
  const auto id = static_cast<VertexId>(vertices_.size());
  const auto [known, is_new] = known_.emplace(identity.take(), id);
  if (is_new) {
    vertices_.push_back(std::move(vertex));
  }
  return known->second;
}

std::set<VertexId> spine(const Graph& graph, VertexId id) {
  std::set<VertexId> vertices{id};
  while (!graph.at(id).inputs.empty()) {
    id = graph.at(id).inputs[0];
    vertices.insert(id);
  }
  return vertices;
}

}  // namespace dlc::build
