#include "store/store.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/error.h"
#include "base/files.h"
#include "base/user_namespace.h"
#include "store/database.h"
#include "store/host.h"
#include "store/lease.h"
#include "store/maintenance.h"
#include "store/recovery.h"

namespace dlc::store {

namespace {

void make_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw system_error("create the store's directory " + path.string());
  }
}

void make_store_directory(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) {
      throw Error(ErrorKind::usage, path.string() + " is not a directory").hint("choose another --store");
    }
    return;
  }
  if (path.has_parent_path() && path.parent_path() != path) {
    make_store_directory(path.parent_path());
  }
  make_directory(path);
}

void refuse_anothers(const std::filesystem::path& path) {
  if (::access(path.c_str(), W_OK | X_OK) != 0 && errno == EACCES) {
    throw Error(ErrorKind::denied, "the store " + path.string() + " is another user's")
        .hint("run dlc as that user, or give another --store");
  }
}

// Locks and SQLite's shared memory do not hold between the machines that mount these.
void refuse_network_file_system(const std::filesystem::path& path) {
  struct Kind {
    std::uint32_t magic;
    const char* name;
  };
  static constexpr std::array kKinds{Kind{NFS_SUPER_MAGIC, "NFS"},  Kind{0xFF534D42, "CIFS"},
                                     Kind{0xFE534D42, "SMB"},       Kind{SMB_SUPER_MAGIC, "SMB"},
                                     Kind{0x00C36400, "Ceph"},      Kind{AFS_SUPER_MAGIC, "AFS"},
                                     Kind{CODA_SUPER_MAGIC, "Coda"}};
  struct statfs status{};
  if (::statfs(path.c_str(), &status) != 0) {
    throw system_error("look at the file system of " + path.string());
  }
  for (const auto& kind : kKinds) {
    if (static_cast<std::uint32_t>(status.f_type) == kind.magic) {
      throw Error(ErrorKind::unsupported, path.string() + " is on a network file system (" + kind.name + ")")
          .hint("choose a directory on a local disk with --store or DLC_STORE");
    }
  }
}

UniqueFd lock_file(const std::filesystem::path& path, int operation) {
  UniqueFd fd = open_file(path.string(), O_RDWR | O_CREAT, 0600);
  while (::flock(fd.get(), operation) != 0) {
    if (errno == EWOULDBLOCK) {
      return {};
    }
    if (errno != EINTR) {
      throw system_error("lock " + path.string());
    }
  }
  return fd;
}

/// Waits for an exclusive lock, until a stop is requested. flock() itself cannot be woken by anything but a signal to
/// this very thread, so where a stop can come it is asked for every now and then.
UniqueFd wait_for_lock(const std::filesystem::path& path, const std::stop_token& stop) {
  if (!stop.stop_possible()) {
    return lock_file(path, LOCK_EX);
  }
  constexpr std::chrono::milliseconds kInterval{20};
  std::mutex mutex;
  std::condition_variable_any never;
  while (true) {
    if (UniqueFd fd = lock_file(path, LOCK_EX | LOCK_NB)) {
      return fd;
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kInterval, [] { return false; });
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "interrupted while another process was waited for");
    }
  }
}

bool same_file(int fd, const std::filesystem::path& path) {
  struct stat mine{};
  struct stat named{};
  return ::fstat(fd, &mine) == 0 && ::lstat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
         mine.st_dev == named.st_dev;
}

}  // namespace

StepLock::~StepLock() {
  if (fd_) {
    ::unlink(path_.c_str());  // before the lock goes: a waiter sees that its file lost its name, and tries again
  }
}

struct Store::State {
  std::filesystem::path directory;
  UniqueFd shared;  // locks/store.lock, for as long as the store is open
  std::unique_ptr<RunDirectory> run;
  std::unique_ptr<Database> database;
  std::unique_ptr<Lease> lease;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<Layers> layers;
  std::unique_ptr<Records> records;
};

Store::Store() : state_(std::make_unique<State>()) {}
Store::~Store() = default;

std::unique_ptr<Store> Store::open(const std::filesystem::path& directory, const ModeChooser& choose) {
  return with_space_hint([&] {
    const auto path = std::filesystem::absolute(directory).lexically_normal();
    make_store_directory(path);
    refuse_network_file_system(path);
    refuse_anothers(path);
    if (::access((path / "format").c_str(), F_OK) != 0) {
      for (const char* name :
           {"blobs", "blobs/sha256", "snapshots", "index", "tmp", "locks", "locks/steps", "images"}) {
        make_directory(path / name);
      }
    }
    const auto mode = open_format(path, choose);
    std::unique_ptr<Store> store(new Store());
    State& state = *store->state_;
    state.directory = path;
    state.shared = lock_file(path / "locks" / "store.lock", LOCK_SH);
    state.run = std::make_unique<RunDirectory>(path);
    state.blobs = std::make_unique<BlobStore>(path, *state.run);
    state.database = open_database(path, *state.blobs);
    state.lease = std::make_unique<Lease>(path, *state.database);
    state.blobs->rely_on(*state.lease);
    state.layers = std::make_unique<Layers>(path, *state.blobs, *state.database, *state.run, *state.lease, mode);
    state.records = std::make_unique<Records>(*state.database, *state.lease);
    state.run->reap();
    return store;
  });
}

std::filesystem::path Store::default_directory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (const auto chosen = variable("DLC_STORE"); !chosen.empty()) {
    return chosen;
  }
  if (!is_ordinary_user()) {
    return "/var/lib/dlc";
  }
  if (const auto data = variable("XDG_DATA_HOME"); data.is_absolute()) {
    return data / "dlc";
  }
  const auto home = variable("HOME");
  if (home.empty()) {
    throw Error(ErrorKind::usage, "no place for the store: neither HOME nor XDG_DATA_HOME is set")
        .hint("give --store DIR");
  }
  return home / ".local" / "share" / "dlc";
}

const std::filesystem::path& Store::directory() const noexcept {
  return state_->directory;
}
BlobStore& Store::blobs() noexcept {
  return *state_->blobs;
}
Layers& Store::layers() noexcept {
  return *state_->layers;
}
Records& Store::records() noexcept {
  return *state_->records;
}

TemporaryDirectory Store::make_temporary_directory() {
  return TemporaryDirectory::adopt(with_space_hint([&] { return state_->run->make_directory("tmp-"); }));
}

StepLock Store::lock_step(const Digest& key, const std::function<void(const std::string&)>& on_wait,
                          const std::stop_token& stop) {
  const auto path = state_->directory / "locks" / "steps" / key.hex();
  bool told = false;
  while (true) {
    UniqueFd fd = lock_file(path, LOCK_EX | LOCK_NB);
    if (!fd) {
      if (!told && on_wait) {
        std::string holder;
        try {
          holder = read_file(path, 1 << 12);
        } catch (const Error&) {  // just released
        }
        on_wait(holder.empty() ? "another process" : holder);
      }
      told = true;
      fd = wait_for_lock(path, stop);
    }
    if (!same_file(fd.get(), path)) {
      continue;  // its last holder removed it while we waited
    }
    if (::ftruncate(fd.get(), 0) != 0) {
      throw system_error("write " + path.string());
    }
    write_full(fd.get(), describe_this_process(), path.string());
    return {std::move(fd), path};
  }
}

struct Store::Upkeep : Maintenance {
  explicit Upkeep(State& state)
      : Maintenance({.directory = state.directory,
                     .blobs = *state.blobs,
                     .layers = *state.layers,
                     .records = *state.records,
                     .database = *state.database,
                     .run = *state.run,
                     .lease = *state.lease}) {}
};

std::vector<CheckFinding> Store::check(bool contents) {
  return Upkeep(*state_).check(contents);
}

Usage Store::usage() {
  return Upkeep(*state_).usage();
}

GcResult Store::gc(std::int64_t keep_seconds, bool dry_run) {
  return Upkeep(*state_).gc(keep_seconds, dry_run);
}

}  // namespace dlc::store
