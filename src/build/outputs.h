#pragma once
// Writes a finished image, or only its files, to where --output says (docs/docker-build-options.md).
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "build/image_form.h"
#include "build/output_spec.h"
#include "store/store.h"

namespace dlc::build {

/// A built image as outputs see it.
struct BuiltImage {
  std::vector<BuiltPlatform> platforms;  ///< at least one; several make an index
  std::vector<std::string> names;        ///< full references
  std::vector<Annotation> annotations;   ///< --annotation
};

/// The image's documents as this output wants them, in the store: of the manifest, or of the index.
[[nodiscard]] oci::Descriptor form_for(const OutputSpec& spec, const BuiltImage& image, store::Store& store);

/// Writes or pushes the image; `form` is what `form_for` gave. Needs the private mount namespace for `tar` and `local`.
/// Nothing half-written is left behind for archives. Throws Error that names the destination.
void write_output(const OutputSpec& spec, const BuiltImage& image, const oci::Descriptor& form, store::Store& store,
                  EventBus& bus, ActivityId parent, const std::stop_token& stop);

/// What no combination of outputs may ask for: two that write to standard output, a push without a name. Throws
/// Error(usage).
void check_outputs(std::span<const OutputSpec> outputs, const std::vector<std::string>& names);

}  // namespace dlc::build
