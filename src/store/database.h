#pragma once
// A small RAII wrapper around one SQLite connection (WAL mode): prepared statements kept by their text, short
// transactions, typed values. Thread-safe; calls of several threads take turns. Busy waits up to 60 s for other
// processes. Errors: exhausted (disk full), corrupt (damaged file), failed (else), each naming the file.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codec/digest.h"

namespace dlc::store {

using codec::Digest;

class Database {
 public:
  /// A zero digest is stored as NULL.
  using Value = std::variant<std::int64_t, std::string, Digest>;

  /// The current row of a query; valid during the callback only.
  class Row {
   public:
    explicit Row(void* statement) : statement_(statement) {}
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] Digest digest(int column) const;  ///< zero where NULL

   private:
    void* statement_;
  };

  enum class Flush {
    lazy,     ///< survives a crash of the process (synchronous=NORMAL)
    durable,  ///< survives a power cut once it returns (synchronous=FULL)
  };

  /// Opens or creates `file` with the schema of this program. Error(unsupported) where a newer program made it.
  explicit Database(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs one statement; returns the number of rows changed.
  std::int64_t run(std::string_view sql, const std::vector<Value>& values = {});
  /// Calls `visit` for each row. `visit` must not use this database.
  void query(std::string_view sql, const std::vector<Value>& values, const std::function<void(const Row&)>& visit);
  /// Runs `work` in one immediate transaction; rolls back where it throws. `work` may use this database. Not nested.
  void transaction(const std::function<void()>& work, Flush flush = Flush::lazy);

  /// All that was put into the store so far becomes durable: syncfs, then `work` and the rows' marks in one durable
  /// transaction. Rows carry the generation in which they were written; generation 0 is durable
  /// (docs/formats/store.md).
  void make_durable(const std::function<void()>& work);
  /// The generation that volatile rows are written with.
  [[nodiscard]] std::int64_t generation();

  /// SQLite's own check of the file; empty where it is sound.
  [[nodiscard]] std::string integrity();
  /// The directory of the database: the store.
  [[nodiscard]] const std::filesystem::path& directory() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dlc::store
