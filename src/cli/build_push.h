#pragma once
// `dlc build --push`: sends what was built, after everything is in the store, so that no failure of a registry loses an
// image.
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "cli/matrix_build.h"
#include "registry/push.h"
#include "store/store.h"

namespace dlc::cli {

struct PushOutcome {
  std::string reference;
  std::optional<Error> error;
  std::string summary;  ///< see `push_summary`
};

/// "6 blobs: 4 there already, 1 mounted, 1 sent (18 MB); 2 attached".
[[nodiscard]] std::string push_summary(const registry::Pushed& pushed);

/// Pushes every image that was built or is up to date to its full reference, in order; with what is attached to it
/// where `referrers`. A failure does not keep the others back.
[[nodiscard]] std::vector<PushOutcome> push_built(std::span<const ImageOutcome> outcomes, store::Store& store,
                                                  EventBus& bus, bool referrers, const std::stop_token& stop);

/// One line per image, and what to do about failures.
[[nodiscard]] std::string render_pushes(std::span<const PushOutcome> pushes);

}  // namespace dlc::cli
