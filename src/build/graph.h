#pragma once
// The build graph: what a Dockerfile (or a whole plan of them) asks to be made, as pure data. Lowering
// (build/lower.h) makes it from parsed Dockerfiles; the solver (build/solver.h) runs it. Equal vertices are one vertex,
// across stages, images and buildspecs. Nothing here touches the disk.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/error.h"
#include "codec/digest.h"
#include "oci/image.h"

namespace dlc::build {

using codec::Digest;
using VertexId = std::uint32_t;

/// A base image whose manifest and config are known; its layers may still be elsewhere.
struct ResolvedImage {
  std::string name;        ///< the reference as a person knows it
  Digest manifest_digest;  ///< of the platform's manifest
  oci::Manifest manifest;
  oci::ImageConfig config;
  std::string origin;           ///< "store", "registry", "layout", "base": where missing layers come from
  std::string origin_location;  ///< registry host, directory or archive of the origin
};

/// The empty file system.
struct ScratchOp {};

/// The file system of an image.
struct ImageOp {
  std::shared_ptr<const ResolvedImage> image;
};

/// One entry of a context: a host file or directory that appears at `target` ("" is the context's root).
struct ContextEntry {
  std::string source;                                ///< absolute host path
  std::string target;                                ///< relative, slash-separated, no "..", or ""
  std::optional<std::uint32_t> mode = std::nullopt;  ///< of a file, instead of the host's
};

/// A tree of host files, read only as far as COPY, ADD and bind mounts name it.
struct LocalOp {
  std::string name;                   ///< "context" or the name of a named context
  std::vector<ContextEntry> entries;  ///< later entries win where targets meet
  std::vector<std::string> ignore;    ///< lines of the .dockerignore that applies, in order
};

/// A file fetched over HTTP(S) by ADD: one file named `filename` in an otherwise empty tree, mode 0600.
struct HttpOp {
  std::string url;
  std::string filename;
  std::optional<Digest> checksum;
  bool unpack = false;  ///< an archive is unpacked into the tree instead
};

/// A git checkout by ADD or as a context.
struct GitOp {
  std::string url;
  std::string ref;
  std::string subdir;
  bool keep_git_dir = false;
  bool submodules = true;
  bool commit_times = false;  ///< files get the commit's time
  std::string checksum;       ///< commit, or empty
};

/// A file whose content is in the Dockerfile (heredoc).
struct InlineFile {
  std::string name;
  std::string data;
};

struct Mount {
  enum class Type { bind, cache, tmpfs, secret, ssh };
  enum class Sharing { shared, private_, locked };
  Type type = Type::bind;
  std::string target;       ///< absolute, cleaned
  int input = -1;           ///< bind, cache: index into the vertex's inputs; -1: none (an empty cache)
  std::string source;       ///< bind: path in the input's tree; "" or "/" for the whole
  bool read_write = false;  ///< bind: changes are allowed and thrown away; cache: it may be written
  std::string id;           ///< cache, secret, ssh
  Sharing sharing = Sharing::shared;
  std::optional<std::uint32_t> mode;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;  ///< tmpfs: bytes, 0: no limit
  bool required = false;   ///< secret, ssh: missing is an error
  std::string env;         ///< secret: variable that gets the value; the file is then only made where target is set
  bool target_set = true;  ///< secret: a file is wanted
};

struct HostEntry {
  std::string host;
  std::string address;
};

struct Ulimit {
  std::string name;  ///< "nofile", ...
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// A device by its CDI name.
struct DeviceRequest {
  std::string name;
  bool required = false;  ///< else the step runs without it where it is not there
};

/// A command in the file system of input 0; its changes are one layer.
struct RunOp {
  enum class Network { default_, host, none };
  std::vector<std::string> argv;
  std::vector<std::string> env;        ///< "K=V", all arguments in scope included; PATH always there
  std::vector<std::string> proxy_env;  ///< given to the process, never part of a key
  std::string cwd;                     ///< absolute
  std::string user;                    ///< as in the config: "", "name", "uid:gid", ...
  std::vector<Mount> mounts;
  std::vector<InlineFile> inline_files;  ///< readable at /dev/pipes/<name> during the step, executable
  Network network = Network::default_;
  bool insecure = false;
  std::vector<DeviceRequest> devices;
  std::vector<HostEntry> extra_hosts;
  std::uint64_t shm_size = 0;  ///< bytes; 0: 64 MiB
  std::vector<Ulimit> ulimits;
  std::string hostname;  ///< empty: "buildkitsandbox"
  std::string platform;  ///< "linux/arm64" where it is another than this machine's
};

/// One thing that COPY or ADD copies.
struct CopySource {
  std::uint32_t input = 1;  ///< index into the vertex's inputs (0 is the destination)
  std::string path;         ///< in that input's tree, cleaned, may hold wildcards (* ? [..]); keeps "/./" for --parents
  bool unpack = false;      ///< ADD: an archive is unpacked into the destination, another file copied
};

/// COPY and ADD; the changes are one layer over input 0.
struct CopyOp {
  std::vector<CopySource> sources;
  std::vector<InlineFile> inline_files;
  std::string dest;                ///< absolute, cleaned
  bool dest_is_directory = false;  ///< it was written with a trailing slash (or as ".")
  std::string chown;               ///< as written after expansion, "" for 0:0
  std::string chmod;               ///< octal or symbolic, "" to keep
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
};

/// WORKDIR: makes the directory (and its parents) where it is missing.
struct MakeDirectoryOp {
  std::string path;
  std::string user;  ///< owner by the config's user syntax, "" for root
};

using Op = std::variant<ScratchOp, ImageOp, LocalOp, HttpOp, GitOp, RunOp, CopyOp, MakeDirectoryOp>;

struct Vertex {
  Op op;
  std::vector<VertexId> inputs;
  std::string name;                   ///< "[stage 2/5] RUN pip install ..."
  bool no_cache = false;              ///< --no-cache: run it even where a result is known
  std::optional<std::int64_t> epoch;  ///< files made or changed get no later time (seconds); absent: real times
  SourceLocation where;               ///< the instruction
  std::string excerpt;                ///< of the Dockerfile, for errors
};

/// Vertices in topological order: inputs come before their users.
class Graph {
 public:
  /// Adds the vertex, or returns the equal one (same op, inputs, epoch, no_cache; the first one's name stays).
  VertexId add(Vertex vertex);
  [[nodiscard]] const Vertex& at(VertexId id) const { return vertices_.at(id); }
  [[nodiscard]] std::size_t size() const noexcept { return vertices_.size(); }

 private:
  std::vector<Vertex> vertices_;
  std::unordered_map<std::string, VertexId> known_;  // by the operation's canonical text
};

/// The vertices that the file system of `id` is stacked from: its own layers' and its base's.
[[nodiscard]] std::set<VertexId> spine(const Graph& graph, VertexId id);

/// The operation's canonical text: all that decides its result except its inputs' content. What is in and what is out:
/// docs/engine.md, "Keys". Equal texts, equal operations.
[[nodiscard]] std::string canonical_text(const Op& op);

/// Where an image's own Dockerfile has a step that it may share with others.
struct Place {
  std::string name;  ///< as `Vertex::name`, with this image's numbers
  SourceLocation where;
  std::string excerpt;
};

/// An image to be made: a file system and the configuration over it.
struct ImageTarget {
  std::string name;  ///< what a person reads
  VertexId root = 0;
  oci::ImageConfig config;       ///< history complete; `diff_ids` empty; `created` of new entries empty (solver fills)
  std::size_t base_history = 0;  ///< the first entries of `config.history`, which came from the base
  std::map<std::string, std::string> annotations;
  std::map<VertexId, Place> places;  ///< of the steps that come from its Dockerfile
};

}  // namespace dlc::build
