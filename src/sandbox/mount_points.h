#pragma once
// The directories and files a container's mounts need in its root, made before it starts and taken out of the upper
// directory after it ended, so that a layer holds none of them.
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace dlc::sandbox {

/// One container's mount points. Not thread-safe.
class MountPoints {
 public:
  /// `root`: the container's merged root, outlives the calls of `make`. `upper`: the directory that gets changes.
  MountPoints(int root, std::filesystem::path upper) : root_(root), upper_(std::move(upper)) {}

  /// Makes `target` where it is missing, following links as inside the root, and returns its place without links
  /// ("/run/resolv.conf"). Error(invalid) where something of another type is there.
  std::string make(std::string_view target, bool directory);
  /// As `make` with a directory (0755) that stays: a step's working directory, which is the step's user's (as runc's).
  std::string make_lasting_directory(std::string_view target, uid_t uid, gid_t gid);
  /// Takes out of `upper` what `make` made and nothing else: no link is followed, nothing with content is removed, and
  /// directories that were copied up for it only are gone. Call when the root is no longer mounted.
  void remove();

 private:
  struct Made {
    std::string path;  ///< relative to the root, without links
    bool directory;
  };
  struct Ancestor {
    struct stat before{};   ///< when nothing had been made in it
    struct stat after{};    ///< when all had been made
    bool in_upper = false;  ///< it was in the upper directory before
  };

  struct Owner {
    uid_t uid;
    gid_t gid;
  };

  std::string walk(std::string_view target, bool directory, const Owner* lasting);
  void note_ancestors(const std::string& path);
  void create(int parent, const std::string& parent_path, const std::string& name, bool directory,
              const Owner* lasting);
  void remove_entry(const std::string& path, bool directory, bool only_pristine);

  int root_;
  std::filesystem::path upper_;
  std::vector<Made> made_;
  std::map<std::string, Ancestor> ancestors_;  // by relative path, "" for the root
};

}  // namespace dlc::sandbox
