#include "cli/pip_resolve.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::cli {
namespace {

struct Judged {
  ErrorKind kind = ErrorKind::internal;
  std::string message, excerpt, hint;
};

Judged judge(int status, const std::string& error) {
  try {
    check_pip_result("image", status, error);
  } catch (const Error& thrown) {
    return {thrown.kind(), thrown.message(), thrown.excerpt(), thrown.hint()};
  }
  return {};
}

TEST(PipResult, AnIndexThatIsNotReachedIsTheNetwork) {
  const std::string retry =
      "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/tqdm/\n";
  const auto judged =
      judge(1, retry + retry +
                   "ERROR: Could not find a version that satisfies the requirement tqdm (from versions: "
                   "none)\nERROR: No matching distribution found for tqdm\n");
  EXPECT_EQ(judged.kind, ErrorKind::network);
  EXPECT_EQ(judged.excerpt, "  " + retry +
                                "  ERROR: Could not find a version that satisfies the requirement tqdm (from versions: "
                                "none)\n  ERROR: No matching distribution found for tqdm");
}

TEST(PipResult, WithoutAWheelNothingElseStandsInTheWay) {
  const auto judged =
      judge(1, "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\n");
  EXPECT_EQ(judged.kind, ErrorKind::failed);
  EXPECT_NE(judged.hint.find("source only"), std::string::npos) << judged.hint;
}

TEST(PipResult, AConflictNamesThePackages) {
  const auto judged = judge(
      1,
      "Looking in indexes: https://x\nCollecting pandas==3.0.0\n  Downloading pandas (12 MB)\nERROR: Cannot install "
      "pandas==3.0.0 because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n"
      "    pandas 3.0.0 depends on numpy>=1.26.0\n    The user requested (constraint) numpy==1.23.5\n\nTo fix this you "
      "could try to:\n1. loosen the range of package versions you've specified\n2. remove package versions to allow "
      "pip "
      "to attempt to solve the dependency conflict\n");
  EXPECT_EQ(judged.kind, ErrorKind::failed);
  EXPECT_EQ(judged.excerpt,
            "  ERROR: Cannot install pandas==3.0.0 because these package versions have conflicting dependencies.\n"
            "  The conflict is caused by:\n      pandas 3.0.0 depends on numpy>=1.26.0\n"
            "      The user requested (constraint) numpy==1.23.5");
  EXPECT_EQ(judged.hint, "");
}

TEST(PipResult, AnExtraThatIsNoneIsAnError) {
  const auto judged = judge(0, "Collecting tqdm\nWARNING: tqdm 4.66.1 does not provide the extra 'nosuchextra'\nx\n");
  EXPECT_EQ(judged.kind, ErrorKind::usage);
  EXPECT_EQ(judged.message, "tqdm 4.66.1 does not provide the extra 'nosuchextra'");
  EXPECT_EQ(judge(0, "Collecting tqdm\n").message, "");
}

}  // namespace
}  // namespace dlc::cli
