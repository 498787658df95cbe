// The two documents. What SPDX and CycloneDX call things: spdx.github.io/spdx-spec/v2.3, cyclonedx.org/docs/1.6.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "contents/sbom.h"
#include "contents/text_lines.h"
#include "oci/image.h"

namespace dlc::contents {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// Percent-encoding of a package URL's part.
std::string encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~' || c == ':';
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string purl(const SbomSubject& subject, const DebianPackage& package) {
  const auto vendor = subject.distribution.substr(0, subject.distribution.find('-'));
  return fmt::format("pkg:deb/{}/{}@{}?arch={}{}", vendor.empty() ? "debian" : encoded(vendor), encoded(package.name),
                     encoded(package.version), encoded(package.architecture),
                     subject.distribution.empty() ? "" : "&distro=" + encoded(subject.distribution));
}

std::string purl(const PythonPackage& package) {
  return fmt::format("pkg:pypi/{}@{}", encoded(normalized_name(package.name)), encoded(package.version));
}

std::string purl(const SbomSubject& subject) {
  const auto colon = subject.name.rfind(':');
  const auto name = std::string(base_name(std::string_view(subject.name).substr(0, colon)));
  return fmt::format("pkg:oci/{}@{}?arch={}", encoded(lower(name)), encoded(subject.digest),
                     encoded(subject.architecture));
}

/// A version-4-shaped UUID of the image's digest: the serial number is then a function of the image.
std::string uuid_of(std::string_view digest) {
  std::string hex(digest.substr(digest.find(':') + 1));
  hex.resize(32, '0');
  hex[12] = '4';
  hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : std::string(between)) + word;
  }
  return text;
}

// --- SPDX

Json spdx_package(const std::string& id, const std::string& name, const std::string& version,
                  const std::string& reference, const std::string& licence, const std::string& supplier) {
  Json package{{"SPDXID", id},
               {"name", name},
               {"versionInfo", version},
               {"downloadLocation", "NOASSERTION"},
               {"filesAnalyzed", false},
               {"licenseConcluded", "NOASSERTION"},
               {"licenseDeclared", "NOASSERTION"},
               {"copyrightText", "NOASSERTION"}};
  if (!licence.empty()) {  // as the package words it, which need not be an SPDX expression
    package["licenseComments"] = licence;
  }
  if (!supplier.empty()) {
    package["supplier"] = supplier;
  }
  package["externalRefs"] = Json::array(
      {{{"referenceCategory", "PACKAGE-MANAGER"}, {"referenceType", "purl"}, {"referenceLocator", reference}}});
  return package;
}

std::string spdx_file_id(std::size_t number) {
  return fmt::format("SPDXRef-File-{}", number);
}

Json relationship(const std::string& from, const char* type, const std::string& to) {
  return {{"spdxElementId", from}, {"relationshipType", type}, {"relatedSpdxElement", to}};
}

// --- CycloneDX

Json cyclonedx_component(const char* type, const std::string& name, const std::string& version,
                         const std::string& reference) {
  return {{"type", type}, {"bom-ref", reference}, {"name", name}, {"version", version}, {"purl", reference}};
}

Json property(const char* name, const std::string& value) {
  return {{"name", std::string("dlc:") + name}, {"value", value}};
}

Json licences(const std::vector<std::string>& names) {
  auto json = Json::array();
  for (const auto& name : names) {
    json.push_back({{"license", {{"name", name}}}});
  }
  return json;
}

constexpr const char* kNoTime = "1970-01-01T00:00:00Z";

/// SPDX knows one form only, "2026-11-29T21:45:41Z": no fractions, no zone but UTC.
std::string spdx_time(const std::string& created) {
  const auto seconds = oci::parse_rfc3339(created);
  return seconds ? oci::rfc3339(*seconds) : kNoTime;
}

}  // namespace

std::string to_spdx(const SbomSubject& subject, std::string_view tool) {
  Json json{{"spdxVersion", "SPDX-2.3"},
            {"dataLicense", "CC0-1.0"},
            {"SPDXID", "SPDXRef-DOCUMENT"},
            {"name", subject.name},
            {"documentNamespace", "https://spdx.org/spdxdocs/dlc-" + uuid_of(subject.digest)}};
  json["creationInfo"] = {{"created", spdx_time(subject.created)},
                          {"creators", Json::array({"Tool: " + std::string(tool)})}};
  const std::string root = "SPDXRef-Image";
  auto packages = Json::array();
  auto relationships = Json::array({relationship("SPDXRef-DOCUMENT", "DESCRIBES", root)});
  const auto colon = subject.name.rfind(':');
  auto image = spdx_package(root, subject.name.substr(0, colon), subject.digest, purl(subject), "", "");
  image["primaryPackagePurpose"] = "CONTAINER";
  packages.push_back(std::move(image));
  const auto add = [&](Json package) {
    relationships.push_back(relationship(root, "CONTAINS", package["SPDXID"].get<std::string>()));
    packages.push_back(std::move(package));
  };
  for (std::size_t i = 0; i < subject.debian.size(); ++i) {
    const auto& package = subject.debian[i];
    auto entry = spdx_package(fmt::format("SPDXRef-deb-{}", i + 1), package.name, package.version,
                              purl(subject, package), joined(package.licenses, ", "),
                              package.maintainer.empty() ? "" : "Organization: " + package.maintainer);
    if (package.source != package.name || package.source_version != package.version) {
      entry["sourceInfo"] = "built from " + package.source + " " + package.source_version;
    }
    add(std::move(entry));
  }
  for (std::size_t i = 0; i < subject.python.size(); ++i) {
    const auto& package = subject.python[i];
    auto entry = spdx_package(fmt::format("SPDXRef-python-{}", i + 1), package.name, package.version, purl(package),
                              package.license, "");
    entry["sourceInfo"] = "installed in /" + package.site();
    add(std::move(entry));
  }
  json["packages"] = std::move(packages);
  for (std::size_t i = 0; i < subject.files.size(); ++i) {
    const auto& file = subject.files[i];
    // SPDX 2.3 wants a SHA-1 of each file; layer indexes hold SHA-256, so these files are packages of one file.
    auto entry = spdx_package(spdx_file_id(i + 1), std::string(base_name(file.path)), "", "", "", "");
    entry.erase("versionInfo");
    entry.erase("externalRefs");
    entry["packageFileName"] = "/" + file.path;
    entry["primaryPackagePurpose"] = "FILE";
    entry["checksums"] = Json::array({{{"algorithm", "SHA256"}, {"checksumValue", file.sha256}}});
    relationships.push_back(relationship(root, "CONTAINS", spdx_file_id(i + 1)));
    json["packages"].push_back(std::move(entry));
  }
  json["relationships"] = std::move(relationships);
  return dump(json);
}

std::string to_cyclonedx(const SbomSubject& subject, std::string_view tool) {
  Json json{{"$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json"},
            {"bomFormat", "CycloneDX"},
            {"specVersion", "1.6"},
            {"serialNumber", "urn:uuid:" + uuid_of(subject.digest)},
            {"version", 1}};
  const auto dash = tool.rfind('-');
  json["metadata"]["timestamp"] = oci::parse_rfc3339(subject.created) ? subject.created : kNoTime;
  json["metadata"]["tools"]["components"] = Json::array({{{"type", "application"},
                                                          {"name", std::string(tool.substr(0, dash))},
                                                          {"version", std::string(tool.substr(dash + 1))}}});
  json["metadata"]["component"] =
      cyclonedx_component("container", subject.name.substr(0, subject.name.rfind(':')), subject.digest, purl(subject));
  auto components = Json::array();
  for (const auto& package : subject.debian) {
    auto entry = cyclonedx_component("library", package.name, package.version, purl(subject, package));
    if (!package.licenses.empty()) {
      entry["licenses"] = licences(package.licenses);
    }
    entry["properties"] = Json::array({property("source", package.source + " " + package.source_version)});
    components.push_back(std::move(entry));
  }
  std::map<std::string, int> references;  // one package may be installed in two places
  for (const auto& package : subject.python) {
    auto entry = cyclonedx_component("library", package.name, package.version, purl(package));
    if (const int earlier = references[purl(package)]++; earlier > 0) {
      entry["bom-ref"] = fmt::format("{}#{}", purl(package), earlier + 1);
    }
    if (!package.license.empty()) {
      entry["licenses"] = licences({package.license});
    }
    entry["properties"] = Json::array({property("path", "/" + package.place)});
    components.push_back(std::move(entry));
  }
  for (const auto& file : subject.files) {
    Json entry{{"type", "file"}, {"bom-ref", "file:/" + encoded(file.path)}, {"name", "/" + file.path}};
    entry["hashes"] = Json::array({{{"alg", "SHA-256"}, {"content", file.sha256}}});
    if (!file.soname.empty()) {
      entry["properties"] = Json::array({property("soname", file.soname)});
    }
    components.push_back(std::move(entry));
  }
  json["components"] = std::move(components);
  return dump(json);
}

}  // namespace dlc::contents
