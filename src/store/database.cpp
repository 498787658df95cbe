#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/fd.h"

namespace dlc::store {

namespace {

constexpr int kSchemaVersion = 3;
constexpr int kBusyMilliseconds = 60'000;

// Generation 0: durable. Any other: written since the last boot, see docs/formats/store.md.
constexpr const char* kSchema = R"(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE layers(chain_id BLOB PRIMARY KEY, parent BLOB, diff_id BLOB NOT NULL, size INTEGER NOT NULL,
  unpacked INTEGER NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX layers_by_diff ON layers(diff_id);
CREATE TABLE layer_blobs(diff_id BLOB NOT NULL, engine TEXT NOT NULL, blob BLOB NOT NULL, size INTEGER NOT NULL,
  media_type TEXT NOT NULL, preferred INTEGER NOT NULL, PRIMARY KEY(diff_id, engine, blob)) WITHOUT ROWID;
CREATE TABLE steps(key BLOB PRIMARY KEY, operation BLOB, result BLOB, cost_ms INTEGER NOT NULL, inputs TEXT NOT NULL,
  used INTEGER NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX steps_by_operation ON steps(operation);
CREATE TABLE last_steps(name TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE images(name TEXT PRIMARY KEY, manifest BLOB NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE file_digests(device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, digest BLOB NOT NULL,
  seen INTEGER NOT NULL, PRIMARY KEY(device, inode)) WITHOUT ROWID;
CREATE TABLE named_values(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('generation', '1');
)";

// Version 2: who is at work (store/lease.h), and the manifests they look at. Nothing older is changed.
constexpr const char* kRuns = R"(
CREATE TABLE runs(run TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, boot TEXT NOT NULL,
  since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pins(run TEXT NOT NULL, manifest BLOB NOT NULL, PRIMARY KEY(run, manifest)) WITHOUT ROWID;
)";

// Version 3: which artifacts belong to which manifest (store/referrers.h). An older gc would take them for garbage.
constexpr const char* kReferrers = R"(
CREATE TABLE referrers(subject BLOB NOT NULL, manifest BLOB NOT NULL, PRIMARY KEY(subject, manifest)) WITHOUT ROWID;
)";

ErrorKind kind_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ErrorKind::exhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::corrupt;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return ErrorKind::denied;
    default:
      return ErrorKind::failed;
  }
}

struct CloseStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};

}  // namespace

struct Database::State {
  std::filesystem::path file;
  std::filesystem::path directory;
  std::recursive_mutex mutex;  // a transaction's work calls run and query
  std::unique_ptr<sqlite3, CloseConnection> connection;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, CloseStatement>, std::less<>> statements;

  ~State() { statements.clear(); }

  [[noreturn]] void fail(int code) const {
    const char* text = connection ? sqlite3_errmsg(connection.get()) : sqlite3_errstr(code);
    const bool io = (code & 0xff) == SQLITE_IOERR;
    // A full disk is SQLITE_FULL, but not where the file of shared memory cannot grow.
    if (const int reason = io && connection ? sqlite3_system_errno(connection.get()) : 0; reason == ENOSPC) {
      throw system_error("write " + file.string(), reason);
    }
    Error error(kind_of(code), file.string() + ": " + text);
    if (io) {
      error.hint("the disk answered with an input/output error: see dmesg; when it is sound again: dlc store check");
    }
    error.retryable((code & 0xff) == SQLITE_BUSY);
    throw error;
  }

  void execute(const char* sql) const {
    const int code = sqlite3_exec(connection.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
      fail(code);
    }
  }

  sqlite3_stmt* prepare(std::string_view sql) {
    const auto known = statements.find(sql);
    if (known != statements.end()) {
      return known->second.get();
    }
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (code != SQLITE_OK) {
      fail(code);
    }
    statements.emplace(std::string(sql), std::unique_ptr<sqlite3_stmt, CloseStatement>(made));
    return made;
  }

  void bind(sqlite3_stmt* statement, const std::vector<Value>& values) const {
    int position = 0;
    for (const auto& value : values) {
      ++position;
      int code = SQLITE_OK;
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        code = sqlite3_bind_int64(statement, position, *number);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        code = sqlite3_bind_text64(statement, position, text->data(), text->size(), nullptr, SQLITE_UTF8);
      } else {
        const auto& digest = std::get<Digest>(value);
        code = digest.is_zero()
                   ? sqlite3_bind_null(statement, position)
                   : sqlite3_bind_blob64(statement, position, digest.bytes().data(), Digest::kSize, nullptr);
      }
      if (code != SQLITE_OK) {
        fail(code);
      }
    }
  }

  int user_version() {
    int version = 0;
    sqlite3_stmt* statement = prepare("PRAGMA user_version");
    if (sqlite3_step(statement) == SQLITE_ROW) {
      version = sqlite3_column_int(statement, 0);
    }
    sqlite3_reset(statement);
    return version;
  }

  // Creating and reading the version are one transaction: two first starts at once must not both create.
  void prepare_schema() {
    if (user_version() == kSchemaVersion) {
      return;
    }
    execute("BEGIN IMMEDIATE");
    try {
      const int version = user_version();
      if (version > kSchemaVersion) {
        throw Error(ErrorKind::unsupported, file.string() + " has schema " + std::to_string(version) +
                                                "; this dlc knows up to " + std::to_string(kSchemaVersion))
            .hint("use the newer dlc that made this store, or another --store");
      }
      if (version == 0) {
        execute(kSchema);
      }
      if (version < 2) {
        execute(kRuns);
      }
      if (version < 3) {
        execute(kReferrers);
        execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str());
      }
      execute("COMMIT");
    } catch (...) {
      sqlite3_exec(connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }
};

std::int64_t Database::Row::integer(int column) const {
  return sqlite3_column_int64(static_cast<sqlite3_stmt*>(statement_), column);
}

std::string Database::Row::text(int column) const {
  auto* statement = static_cast<sqlite3_stmt*>(statement_);
  const auto* text = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return text == nullptr ? std::string()
                         : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
}

Digest Database::Row::digest(int column) const {
  auto* statement = static_cast<sqlite3_stmt*>(statement_);
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
  if (bytes == nullptr || sqlite3_column_bytes(statement, column) != static_cast<int>(Digest::kSize)) {
    return {};
  }
  std::array<std::uint8_t, Digest::kSize> copy{};
  std::copy_n(bytes, Digest::kSize, copy.begin());
  return Digest(copy);
}

Database::Database(const std::filesystem::path& file) : state_(std::make_unique<State>()) {
  state_->file = file;
  state_->directory = file.parent_path();
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &connection,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  state_->connection.reset(connection);
  if (code != SQLITE_OK) {
    state_->fail(code);
  }
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_timeout(connection, kBusyMilliseconds);
  state_->execute("PRAGMA journal_mode=WAL");
  state_->execute("PRAGMA synchronous=NORMAL");
  state_->prepare_schema();
}

Database::~Database() = default;

std::int64_t Database::run(std::string_view sql, const std::vector<Value>& values) {
  const std::lock_guard lock(state_->mutex);
  query(sql, values, [](const Row&) {});
  return sqlite3_changes64(state_->connection.get());
}

void Database::query(std::string_view sql, const std::vector<Value>& values,
                     const std::function<void(const Row&)>& visit) {
  const std::lock_guard lock(state_->mutex);
  sqlite3_stmt* statement = state_->prepare(sql);
  // Resets on every way out: an unfinished statement would keep its read transaction open.
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> reset(statement, sqlite3_reset);
  state_->bind(statement, values);
  while (true) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
      return;
    }
    if (code != SQLITE_ROW) {
      state_->fail(code);
    }
    visit(Row(statement));
  }
}

void Database::transaction(const std::function<void()>& work, Flush flush) {
  const std::lock_guard lock(state_->mutex);
  if (flush == Flush::durable) {
    state_->execute("PRAGMA synchronous=FULL");
  }
  const auto relax = [&] {
    if (flush == Flush::durable) {
      sqlite3_exec(state_->connection.get(), "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
    }
  };
  try {
    state_->execute("BEGIN IMMEDIATE");
    try {
      work();
      state_->execute("COMMIT");
    } catch (...) {
      sqlite3_exec(state_->connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  } catch (...) {
    relax();
    throw;
  }
  relax();
}

std::int64_t Database::generation() {
  std::int64_t generation = 1;
  query("SELECT CAST(value AS INTEGER) FROM meta WHERE key='generation'", {},
        [&](const Row& row) { generation = row.integer(0); });
  return generation;
}

void Database::make_durable(const std::function<void()>& work) {
  // A row of a generation below `next` was committed after its content was in place and before the flush began.
  std::int64_t next = 0;
  std::int64_t began = 0;
  transaction([&] {
    run("UPDATE meta SET value=CAST(value AS INTEGER)+1 WHERE key='generation'");
    next = generation();
    query("SELECT unixepoch()", {}, [&](const Row& row) { began = row.integer(0); });
  });
  const UniqueFd directory = open_file(state_->directory.string(), O_RDONLY | O_DIRECTORY);
  if (::syncfs(directory.get()) != 0) {
    throw system_error("flush " + state_->directory.string());
  }
  transaction(
      [&] {
        run("UPDATE layers SET generation=0 WHERE generation>0 AND generation<?", {next});
        run("UPDATE steps SET generation=0 WHERE generation>0 AND generation<?", {next});
        run("INSERT OR REPLACE INTO meta VALUES('synced', ?)", {std::to_string(began)});
        work();
      },
      Flush::durable);
}

std::string Database::integrity() {
  std::string result;
  query("PRAGMA quick_check", {}, [&](const Row& row) {
    if (row.text(0) != "ok") {
      result += (result.empty() ? "" : "; ") + row.text(0);
    }
  });
  return result;
}

const std::filesystem::path& Database::directory() const noexcept {
  return state_->directory;
}

}  // namespace dlc::store
