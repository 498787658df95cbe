// An image of the store as a source.
#include <fmt/format.h>

#include "base/error.h"
#include "codec/sinks.h"
#include "registry/pull.h"
#include "registry/verify.h"
#include "store/referrers.h"

namespace dlc::registry {

namespace {

class StoreSource : public ImageSource {
 public:
  StoreSource(store::Store& store, const oci::Digest& manifest) : store_(store), digest_(manifest) {}

  [[nodiscard]] std::string place() const override { return "store " + store_.directory().string(); }

  [[nodiscard]] oci::Descriptor resolve() override {
    const auto text = store_.blobs().read(digest_);
    const bool index = oci::document_kind(text) == oci::DocumentKind::index;
    oci::Descriptor result;
    result.media_type = index ? oci::parse_index(text).media_type : oci::parse_manifest(text).media_type;
    result.digest = digest_;
    result.size = text.size();
    return result;
  }

  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override {
    auto text = store_.blobs().read(descriptor.digest);
    check_manifest(descriptor, text, place());
    return text;
  }

  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    const UniqueFd file = store_.blobs().open(descriptor.digest);
    codec::FdSource in(file.get(), "blob " + descriptor.digest.str());
    VerifyingSink checked(out, descriptor, place());
    codec::copy(in, checked);
    checked.finish();
  }

  [[nodiscard]] std::vector<oci::Descriptor> referrers(const oci::Digest& subject) override {
    std::vector<oci::Descriptor> entries;
    for (auto& referrer : store::referrers_of(store_, subject)) {
      entries.push_back(std::move(referrer.descriptor));
    }
    return entries;
  }

 private:
  store::Store& store_;
  oci::Digest digest_;
};

}  // namespace

std::unique_ptr<ImageSource> store_source(store::Store& store, const oci::Digest& manifest) {
  return std::make_unique<StoreSource>(store, manifest);
}

}  // namespace dlc::registry
