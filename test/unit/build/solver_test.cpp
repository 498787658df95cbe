// The solver over a real store and real steps: needs root, overlayfs, an OCI runtime and busybox-static.
#include "build/solver.h"

// Members without a default initializer may be left out of a designated initializer: they are empty then.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "build/forecast.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "sandbox/overlay.h"

namespace dlc::build {
namespace {

namespace fs = std::filesystem;

/// Counts what the steps report.
class Counter : public EventSink {
 public:
  void on_event(const Event& event) noexcept override {
    if (event.type == Event::Type::end) {
      ran += event.result == ActivityResult::done ? 1 : 0;
      cached += event.result == ActivityResult::cached ? 1 : 0;
    }
    if (event.type == Event::Type::log) {
      log += event.text;
      started = started || event.text.find("started") != std::string::npos;
    }
    if (event.type == Event::Type::cache) {
      reasons += event.text + "\n";
    }
  }
  std::atomic<bool> started = false;
  int ran = 0;
  int cached = 0;
  std::string log;
  std::string reasons;
};

class SolverTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() == 0) {
      sandbox::enter_private_namespace();
    }
  }

  void SetUp() override {
    if (::geteuid() != 0 || !fs::exists("/bin/busybox")) {
      GTEST_SKIP() << "needs root and busybox-static";
    }
    store_ = store::Store::open(directory_.path() / "store");
    base_ = make_base();
  }

  /// A root file system with busybox and its shell, as an image of the store.
  std::shared_ptr<const ResolvedImage> make_base() {
    codec::StringSink out;
    codec::TarWriter tar(out);
    const auto busybox = read_file("/bin/busybox");
    for (const char* path : {"bin", "tmp", "etc"}) {
      tar.begin({.path = path, .type = codec::TarEntry::Type::directory, .mode = 0755});
    }
    tar.begin({.path = "bin/busybox", .mode = 0755, .size = busybox.size()});
    tar.data(std::as_bytes(std::span(busybox)));
    for (const char* name : {"bin/sh", "bin/cat", "bin/true", "bin/sleep", "bin/date", "bin/mkdir", "bin/rm"}) {
      tar.begin({.path = name, .type = codec::TarEntry::Type::symlink, .mode = 0777, .link = "busybox"});
    }
    tar.finish();
    const auto text = out.take();
    codec::MemorySource source(text);
    const auto layer = store_->layers().import_tar(Digest(), source, {});
    auto image = std::make_shared<ResolvedImage>();
    image->name = "test";
    image->origin = "store";
    image->config.platform = oci::host_platform();
    image->config.diff_ids = {layer.diff_id};
    image->manifest.layers.push_back({.media_type = layer.media_type, .digest = layer.blob, .size = layer.blob_size});
    return image;
  }

  static RunOp shell(const std::string& command) {
    RunOp op;
    op.argv = {"/bin/sh", "-c", command};
    op.env = {"PATH=/bin"};
    op.cwd = "/";
    return op;
  }

  VertexId run(VertexId parent, const std::string& command) {
    return graph_.add({.op = shell(command), .inputs = {parent}, .name = "RUN " + command});
  }
  VertexId image() { return graph_.add({.op = ImageOp{base_}, .name = "FROM test"}); }
  VertexId context(const fs::path& path) {
    return graph_.add(
        {.op = LocalOp{.name = "context", .entries = {{path.string(), ""}}, .ignore = {}}, .name = "context"});
  }
  VertexId copy(VertexId parent, VertexId from, const std::string& source, const std::string& dest) {
    CopyOp op;
    op.sources = {{.input = 1, .path = source, .unpack = false}};
    op.dest = dest;
    return graph_.add({.op = op, .inputs = {parent, from}, .name = "COPY " + source});
  }

  ImageTarget target(const std::string& name, VertexId root) {
    ImageTarget result;
    result.name = name;
    result.root = root;
    result.config = base_->config;
    return result;
  }

  std::vector<TargetResult> solve_all(const std::vector<ImageTarget>& targets, std::stop_token stop = {}) {
    EventBus bus;
    counter_ = next_ ? std::exchange(next_, nullptr) : std::make_shared<Counter>();
    bus.add(counter_);
    SolveOptions options;
    options.runtime = sandbox::find_runtime("");
    options.host_certs = sandbox::HostCerts::off;
    options.jobs = 2;
    return solve(graph_, targets, *store_, bus, options, std::move(stop), {}, [](std::size_t, const TargetResult&) {});
  }

  std::string file_in(const TargetResult& result, const std::string& path) {
    for (const auto& lower : store_->layers().lowers(result.layers.back().chain_id)) {
      if (fs::exists(lower / path)) {
        return read_file(lower / path);
      }
    }
    return "(missing)";
  }

  TemporaryDirectory directory_{"/var/tmp", "dlc-solver-"};
  std::unique_ptr<store::Store> store_;
  std::shared_ptr<const ResolvedImage> base_;
  Graph graph_;
  std::shared_ptr<Counter> counter_;
  std::shared_ptr<Counter> next_;  ///< for a thread that watches while the solver runs
};

TEST_F(SolverTest, a_layer_keeps_the_time_of_the_step_that_made_it_first) {
  const std::string command = "/bin/busybox touch -d '2020-01-01 00:00:00' /f";
  const auto one = target("one", run(image(), command));
  const auto other = target("other", run(image(), ": ; " + command));
  const auto before = solve_all({one}).front();
  const auto twin = solve_all({other}).front();
  ASSERT_EQ(before.layers.back().diff_id, twin.layers.back().diff_id) << "the test needs two steps with one layer";
  EXPECT_EQ(solve_all({one}).front().config, before.config);
}

TEST_F(SolverTest, runs_steps_and_reuses_them) {
  const auto root = run(run(image(), "echo one > /one"), "cat /one > /two");
  const auto first = solve_all({target("a", root)});
  ASSERT_FALSE(first[0].error) << first[0].error->what();
  EXPECT_EQ(file_in(first[0], "two"), "one\n");
  EXPECT_EQ(counter_->ran, 2);
  const auto again = solve_all({target("a", root)});
  EXPECT_EQ(counter_->ran, 0);
  EXPECT_EQ(again[0].steps.cached, 2U);
  EXPECT_EQ(again[0].manifest.digest, first[0].manifest.digest);
}

TEST_F(SolverTest, only_what_an_image_carries_is_packed) {
  const auto stage = run(image(), "echo made > /made");
  const auto root = copy(image(), stage, "/made", "/copied");
  const auto blob_of_stage = [&](const TargetResult& result) {
    for (const auto& step : result.identities) {
      if (step.vertex == stage) {
        const auto layer = store_->layers().find(store_->records().find_step(step.definition)->result);
        return layer->blob;
      }
    }
    return Digest();
  };
  const auto first = solve_all({target("a", root)});
  ASSERT_FALSE(first[0].error) << first[0].error->what();
  EXPECT_EQ(file_in(first[0], "copied"), "made\n");
  EXPECT_TRUE(blob_of_stage(first[0]).is_zero());
  const auto image_of_stage = solve_all({target("stage", stage)});
  ASSERT_FALSE(image_of_stage[0].error) << image_of_stage[0].error->what();
  EXPECT_EQ(image_of_stage[0].steps.cached, 1U);
  EXPECT_EQ(image_of_stage[0].layers.back().blob, blob_of_stage(first[0]));
  EXPECT_TRUE(store_->blobs().contains(image_of_stage[0].layers.back().blob));
}

TEST_F(SolverTest, shared_step_runs_once_for_two_images) {
  const auto shared = run(image(), "echo shared > /s");
  const auto results = solve_all({target("a", run(shared, "true > /a")), target("b", run(shared, "true > /b"))});
  EXPECT_EQ(counter_->ran, 3);
  EXPECT_EQ(results[0].layers.at(1).blob, results[1].layers.at(1).blob);
}

TEST_F(SolverTest, failure_fails_only_what_needs_it) {
  const auto shared = run(image(), "echo shared > /s");
  const auto results = solve_all({target("bad", run(run(shared, "echo why; exit 7"), "true")), target("good", shared)});
  ASSERT_TRUE(results[0].error);
  EXPECT_NE(std::string(results[0].error->what()).find("exit code: 7"), std::string::npos);
  EXPECT_EQ(graph_.at(*results[0].failed_vertex).name, "RUN echo why; exit 7");
  EXPECT_FALSE(results[1].error);
  EXPECT_NE(counter_->log.find("why"), std::string::npos);
  EXPECT_TRUE(store_->check(true).empty());
}

TEST_F(SolverTest, shared_failing_step_is_shown_where_each_image_has_it) {
  const auto shared = graph_.add({.op = shell("exit 7"),
                                  .inputs = {image()},
                                  .name = "[2/3] RUN exit 7",
                                  .where = {"a/Dockerfile", 4, 0},
                                  .excerpt = "a's lines"});
  auto first = target("a", shared);
  first.places[shared] = {.name = "[2/3] RUN exit 7", .where = {"a/Dockerfile", 4, 0}, .excerpt = "a's lines"};
  auto second = target("b", run(shared, "true"));
  second.places[shared] = {.name = "[2/9] RUN exit 7", .where = {"b/Dockerfile", 8, 0}, .excerpt = "b's lines"};
  const auto results = solve_all({first, second});
  EXPECT_EQ(results.at(0).error.value().where().file, "a/Dockerfile");
  EXPECT_EQ(results.at(1).error.value().where().file, "b/Dockerfile");
  EXPECT_EQ(results.at(1).error.value().where().line, 8);
  EXPECT_EQ(results.at(1).error.value().excerpt(), "b's lines");
}

TEST_F(SolverTest, content_decides_not_time) {
  const auto folder = directory_.path() / "context";
  fs::create_directories(folder);
  std::ofstream(folder / "app.py") << "v1";
  std::ofstream(folder / "other") << "o";
  const auto root = copy(image(), context(folder), "app.py", "/app/");
  const auto first = solve_all({target("a", root)});
  ASSERT_FALSE(first[0].error) << first[0].error->what();
  fs::last_write_time(folder / "app.py", fs::file_time_type::clock::now() + std::chrono::hours(1));
  std::ofstream(folder / "other") << "changed";
  static_cast<void>(solve_all({target("a", root)}));
  EXPECT_EQ(counter_->ran, 0) << counter_->reasons;
  const auto time = fs::last_write_time(folder / "app.py");
  std::ofstream(folder / "app.py") << "v2";
  fs::last_write_time(folder / "app.py", time);
  const auto changed = solve_all({target("a", root)});
  EXPECT_EQ(counter_->ran, 1) << "same size and time, new content";
  EXPECT_NE(counter_->reasons.find("app.py changed (sha256"), std::string::npos) << counter_->reasons;
  EXPECT_EQ(file_in(changed[0], "app"), "v2");
}

TEST_F(SolverTest, step_with_the_same_outcome_keeps_what_follows) {
  const auto folder = directory_.path() / "context";
  fs::create_directories(folder);
  std::ofstream(folder / "input") << "1";
  const auto build = [&] {
    auto op = shell("cat /in/input > /dev/null; echo same > /out");
    op.mounts.push_back({.type = Mount::Type::bind, .target = "/in", .input = 1});
    const auto first = graph_.add({.op = op, .inputs = {image(), context(folder)}, .name = "RUN first", .epoch = 1000});
    return graph_.add({.op = shell("cat /out > /copy"), .inputs = {first}, .name = "RUN second", .epoch = 1000});
  };
  const auto before = solve_all({target("a", build())});
  ASSERT_FALSE(before[0].error) << before[0].error->what();
  std::ofstream(folder / "input") << "2";
  const auto after = solve_all({target("a", build())});
  EXPECT_EQ(counter_->ran, 1);
  EXPECT_EQ(after[0].manifest.digest, before[0].manifest.digest);
}

TEST_F(SolverTest, missing_source_fails_before_anything_runs) {
  const auto folder = directory_.path() / "context";
  fs::create_directories(folder);
  const auto root = copy(run(image(), "true > /ran"), context(folder), "nope", "/x");
  const auto results = solve_all({target("a", root)});
  ASSERT_TRUE(results[0].error);
  EXPECT_NE(std::string(results[0].error->what()).find("\"/nope\": not found"), std::string::npos);
}

TEST_F(SolverTest, stop_request_ends_running_steps_and_keeps_finished_ones) {
  const auto first = run(image(), "echo kept > /kept");
  const auto root = run(first, "echo started; sleep 60");
  std::stop_source stop;
  next_ = std::make_shared<Counter>();
  std::jthread stopper([&stop, counter = next_] {
    while (!counter->started) {
      ::usleep(10'000);
    }
    stop.request_stop();
  });
  const auto results = solve_all({target("a", root)}, stop.get_token());
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(results[0].error->kind(), ErrorKind::cancelled);
  EXPECT_EQ(results[0].steps.run, 1U) << "the step that was interrupted is not kept";
  EXPECT_EQ(results[0].steps.cached, 0U);
  static_cast<void>(solve_all({target("a", first)}));
  EXPECT_EQ(counter_->ran, 0) << "the finished step is known";
}

TEST_F(SolverTest, cache_mounts_stay_and_secrets_leave_no_trace) {
  auto op = shell("cat /run/secrets/token > /dev/null && echo x >> /cache/log && cat /cache/log > /seen");
  op.mounts.push_back({.type = Mount::Type::cache, .target = "/cache", .read_write = true, .id = "c"});
  op.mounts.push_back({.type = Mount::Type::secret, .target = "/run/secrets/token", .id = "token", .required = true});
  const auto root = graph_.add({.op = op, .inputs = {image()}, .name = "RUN", .no_cache = true});
  EventBus bus;
  SolveOptions options;
  options.runtime = sandbox::find_runtime("");
  options.secrets["token"] = "very-secret-value";
  const std::vector<ImageTarget> targets{target("a", root)};
  const auto once = [&] {
    return solve(graph_, targets, *store_, bus, options, {}, {}, [](std::size_t, const TargetResult&) {}).at(0);
  };
  const auto first = once();
  ASSERT_FALSE(first.error) << first.error->what();
  const auto second = once();
  EXPECT_EQ(file_in(second, "seen"), "x\nx\n");
  for (const auto& lower : store_->layers().lowers(second.layers.back().chain_id)) {
    EXPECT_FALSE(fs::exists(lower / "run/secrets")) << lower;
    EXPECT_FALSE(fs::exists(lower / "cache")) << lower;
  }
}

TEST_F(SolverTest, two_empty_stores_give_the_same_digest_with_an_epoch) {
  const auto build = [&] {
    return graph_.add({.op = shell("date > /tmp/x; rm -f /tmp/x; mkdir /d; echo 1 > /d/f"),
                       .inputs = {image()},
                       .name = "RUN",
                       .epoch = 1577836800});
  };
  const auto first = solve_all({target("a", build())});
  ASSERT_FALSE(first[0].error) << first[0].error->what();
  store_ = store::Store::open(directory_.path() / "other");
  base_ = make_base();
  const auto second = solve_all({target("a", build())});
  EXPECT_EQ(counter_->ran, 1);
  EXPECT_EQ(second[0].manifest.digest, first[0].manifest.digest);
}

TEST_F(SolverTest, a_forecast_says_what_runs_and_why) {
  const auto folder = directory_.path() / "context";
  fs::create_directory(folder);
  write_file_atomically(folder / "requirements.txt", "mxnet\n");
  const auto make = [&](const std::string& last) {
    graph_ = Graph();
    const auto copied = copy(image(), context(folder), "requirements.txt", "/r.txt");
    return target("a", run(run(copied, "cat /r.txt > /out"), last));
  };
  const auto look = [&](const ImageTarget& wanted) {
    return forecast(graph_, wanted, probe(graph_, {&wanted, 1}, *store_).front(), {}, *store_);
  };
  auto wanted = make("true");
  auto steps = look(wanted);
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_EQ(steps[0].state, StepForecast::State::will_run);
  EXPECT_EQ(steps[0].note, "not built before");
  EXPECT_FALSE(steps[0].cost_ms);
  ASSERT_FALSE(solve_all({wanted})[0].error);
  steps = look(wanted);
  EXPECT_EQ(steps[2].state, StepForecast::State::cached);
  EXPECT_TRUE(steps[2].cost_ms);

  write_file_atomically(folder / "requirements.txt", "mxnet\ngraphviz==0.8.4\n");
  wanted = make("false");
  steps = look(wanted);
  EXPECT_EQ(steps[0].state, StepForecast::State::will_run);
  ASSERT_EQ(steps[0].changes.size(), 1U);
  EXPECT_EQ(steps[0].changes[0].change.part, "file requirements.txt");
  EXPECT_EQ(steps[0].changes[0].lines, std::vector<std::string>{"+graphviz==0.8.4"});
  EXPECT_EQ(steps[1].cause, steps[0].vertex);
  EXPECT_TRUE(steps[1].changes.empty());
  EXPECT_TRUE(steps[1].cost_ms);
  EXPECT_EQ(steps[2].note, "not built before");
}

TEST_F(SolverTest, a_probe_asks_nobody) {
  const auto url = graph_.add({.op = HttpOp{.url = "http://127.0.0.1:1/x", .filename = "x"}, .name = "http"});
  const auto wanted = target("a", run(copy(image(), url, "x", "/x"), "true"));
  const auto probed = probe(graph_, {&wanted, 1}, *store_).front();
  EXPECT_FALSE(probed.chain);
  const auto steps = forecast(graph_, wanted, probed, {}, *store_);
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].state, StepForecast::State::open);
  EXPECT_NE(steps[0].note.find("http://127.0.0.1:1/x"), std::string::npos);
}

TEST_F(SolverTest, a_base_that_is_not_there_is_said_to_be_so) {
  const auto wanted = target("a", run(image(), "true"));
  const auto steps =
      forecast(graph_, wanted, probe(graph_, {&wanted, 1}, *store_).front(), {{"test", "test is away"}}, *store_);
  EXPECT_EQ(steps.at(0).note, "test is away");
}

}  // namespace
}  // namespace dlc::build
