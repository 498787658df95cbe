// Any bytes as a Dockerfile that is lowered: what is accepted becomes a graph whose inputs come before their users.
// Apart from dockerfile_fuzz because it needs most of the program compiled.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "build/lower.h"
#include "dockerfile/dockerfile.h"

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

std::shared_ptr<const dlc::build::ResolvedImage> resolve(const std::string& name, const dlc::oci::Platform& platform) {
  if (name.starts_with("missing")) {
    throw dlc::Error(dlc::ErrorKind::not_found, name + ": not found");
  }
  auto image = std::make_shared<dlc::build::ResolvedImage>();
  image->name = name;
  image->config.platform = platform;
  if (name.starts_with("onbuild")) {
    image->config.on_build = {"COPY . /x", "RUN --mount=from=0,target=/m y", name.substr(7)};
  }
  return image;
}

void lower(const dlc::dockerfile::Dockerfile& file) {
  dlc::build::LowerOptions options;
  options.platform = options.build_platform = {.os = "linux", .architecture = "amd64", .variant = ""};
  options.build_args = {{"HTTP_PROXY", "p"}, {"A", "$B"}};
  dlc::build::Graph graph;
  dlc::Diagnostics diagnostics;
  const auto target = dlc::build::lower(file, options, resolve, graph, diagnostics);
  require(target.root < graph.size());
  for (dlc::build::VertexId id = 0; id < graph.size(); ++id) {
    for (const auto input : graph.at(id).inputs) {
      require(input < id);
    }
  }
  for (const auto& diagnostic : diagnostics.all()) {
    require(!dlc::render(diagnostic).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    dlc::Diagnostics diagnostics;
    lower(dlc::dockerfile::parse(text, "D", diagnostics));
  } catch (const dlc::Error& error) {
    require(error.kind() != dlc::ErrorKind::internal);
    require(!error.message().empty());
  }
  return 0;
}
