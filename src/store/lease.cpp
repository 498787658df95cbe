#include "store/lease.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/files.h"
#include "store/database.h"
#include "store/file_clock.h"
#include "store/host.h"

namespace dlc::store {

namespace {

constexpr std::int64_t kClockSlackSeconds = 120;

std::filesystem::path runs_directory(const std::filesystem::path& store) {
  return store / "locks" / "runs";
}

UniqueFd locked(const std::filesystem::path& file, int operation) {
  UniqueFd fd = open_file(file.string(), O_RDWR | O_CREAT, 0600);
  while (::flock(fd.get(), operation) != 0) {
    if (errno != EINTR) {
      throw system_error("lock " + file.string());
    }
  }
  return fd;
}

/// Its file is there and somebody has it locked.
bool is_alive(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

Lease::Lease(const std::filesystem::path& store, Database& database) : database_(database), since_(std::time(nullptr)) {
  const auto directory = runs_directory(store);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw system_error("create " + directory.string());
  }
  std::string name = (directory / "XXXXXX").string();
  lock_ = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!lock_) {
    throw system_error("create a file in " + directory.string());
  }
  file_ = name;
  run_ = file_.filename().string();
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw system_error("lock " + name);
  }
  // The row comes after the lock, so that no row of a live run is ever seen without one.
  database_.run("INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?)",
                {run_, std::int64_t{::getpid()}, process_start_time(), boot_id(), since_});
  files_since_ = file_clock();  // from now on gc sees the row
}

Lease::~Lease() {
  try {
    database_.transaction([&] {
      database_.run("DELETE FROM pins WHERE run=?", {run_});
      database_.run("DELETE FROM runs WHERE run=?", {run_});
    });
  } catch (const std::exception&) {  // the next gc sees a run without a lock
  }
  ::unlink(file_.c_str());
}

std::vector<LiveRun> live_runs(const std::filesystem::path& store, Database& database, const std::string& except,
                               bool drop) {
  std::vector<LiveRun> known;
  database.query("SELECT run, since FROM runs WHERE run!=?", {except},
                 [&](const auto& row) { known.push_back({row.text(0), row.integer(1) - kClockSlackSeconds}); });
  std::erase_if(known, [&](const LiveRun& run) {
    const auto file = runs_directory(store) / run.run;
    if (is_alive(file)) {
      return false;
    }
    if (drop) {
      database.run("DELETE FROM pins WHERE run=?", {run.run});
      database.run("DELETE FROM runs WHERE run=?", {run.run});
      ::unlink(file.c_str());
    }
    return true;
  });
  return known;
}

UniqueFd lock_sweep(const std::filesystem::path& store, Sweep sweep) {
  return locked(store / "locks" / "sweep.lock", sweep == Sweep::removing ? LOCK_EX : LOCK_SH);
}

bool keep_file(const std::filesystem::path& store, const std::filesystem::path& file, std::int64_t since) {
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) {
    return false;
  }
  if (status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec >= since) {
    return true;  // as young as this run: gc leaves it
  }
  const UniqueFd lock = lock_sweep(store, Sweep::keeping);
  const timespec now[2] = {{0, UTIME_OMIT}, {status.st_mtim.tv_sec, status.st_mtim.tv_nsec}};
  return ::utimensat(AT_FDCWD, file.c_str(), now, AT_SYMLINK_NOFOLLOW) == 0;  // its ctime is now
}

}  // namespace dlc::store
