// The profiler: what it records, what waits wait for, the picture of pending tasks.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <latch>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "engine/support.h"
#include "heddle/profiler.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

namespace trace {

struct Slice {
  std::string name, category, args_kind, pushed_at;
  double begin = 0, end = 0;
  int64_t thread = 0;
  double pushed = -1, waited = -1, queued = -1;
  size_t reads = 0, writes = 0;
  bool failed = false;
};

double number_of(const Json& o, std::string_view key, double otherwise = -1) {
  const Json* const v = o.find(key);
  return v ? v->number(key) : otherwise;
}
std::string string_of(const Json& o, std::string_view key) {
  const Json* const v = o.find(key);
  return v ? v->string(key) : "";
}

// The slices ("X") of one category.
std::vector<Slice> slices(const Json& all, std::string_view category) {
  std::vector<Slice> found;
  for (const Json& e : all.find("traceEvents")->array("traceEvents")) {
    if (string_of(e, "ph") != "X" || string_of(e, "cat") != category) continue;
    Slice s;
    s.name = string_of(e, "name");
    s.category = string_of(e, "cat");
    s.begin = number_of(e, "ts");
    s.end = s.begin + number_of(e, "dur");
    s.thread = e.find("tid")->integer("tid");
    if (const Json* const args = e.find("args")) {
      s.args_kind = string_of(*args, "kind");
      s.pushed_at = string_of(*args, "pushed_at");
      s.pushed = number_of(*args, "pushed_us");
      s.waited = number_of(*args, "waited_us");
      s.queued = number_of(*args, "queued_us");
      s.failed = args->find("failed") != nullptr;
      if (const Json* const r = args->find("reads")) s.reads = r->array("reads").size();
      if (const Json* const w = args->find("writes")) s.writes = w->array("writes").size();
    }
    found.push_back(std::move(s));
  }
  return found;
}
std::vector<Slice> tasks() { return slices(Json::parse(profiler::trace()), "operator"); }

size_t count_phase(const Json& all, std::string_view phase) {
  size_t n = 0;
  for (const Json& e : all.find("traceEvents")->array("traceEvents"))
    n += string_of(e, "ph") == phase;
  return n;
}

std::map<std::string, int> names(const std::vector<Slice>& slices) {
  std::map<std::string, int> n;
  for (const Slice& s : slices) ++n[s.name];
  return n;
}

// Of two slices on one thread, one is over before the other begins, or holds it.
bool nests(const std::vector<Slice>& slices) {
  constexpr double kRounding = 1e-4;  // of sums; times are multiples of 1e-3
  for (const Slice& a : slices)
    for (const Slice& b : slices)
      if (a.thread == b.thread && a.begin + kRounding < b.begin && b.begin + kRounding < a.end &&
          b.end > a.end + kRounding)
        return false;
  return true;
}

// Node labels without states and places, and edges as "a -> b: v0".
struct Graph {
  std::map<std::string, std::string> state;  // by name
  std::vector<std::string> edges;            // variables are left out
};
Graph parse_dot(const std::string& dot) {
  Graph g;
  std::map<std::string, std::string> name_of;
  std::istringstream lines(dot);
  for (std::string line; std::getline(lines, line);) {
    const size_t label = line.find("[label=\"");
    if (label == std::string::npos) continue;
    const std::string text = line.substr(label + 8, line.rfind('"') - label - 8);
    const std::string id = line.substr(2, line.find(' ', 2) - 2);
    if (const size_t arrow = line.find(" -> "); arrow != std::string::npos) {
      const std::string to = line.substr(arrow + 4, label - arrow - 5);
      g.edges.push_back(name_of.at(id) + " -> " + name_of.at(to));
      continue;
    }
    const size_t end = text.find("\\n");
    name_of[id] = text.substr(0, end);
    const std::string rest = text.substr(end + 2);
    g.state[name_of[id]] = rest.substr(0, rest.find("\\n"));
  }
  return g;
}

}  // namespace trace

// Asynchronous: lasts until `done` is called.
struct Lasting {
  std::optional<Done> done;
  std::latch started{1};
  Task task(const char* name, const Var& writes) {
    Task t{.name = name};
    t.start = [this](RunContext&, Done d) {
      done.emplace(std::move(d));
      started.count_down();
    };
    t.uses = {overwrite(writes)};
    return t;
  }
};

using trace::Slice;

// The profiler is one for the process: each test begins and ends with it off and empty.
class Profiled : public EveryEngine {
 protected:
  void SetUp() override { profiler::clear(); }
  void TearDown() override {
    profiler::stop();
    profiler::clear();
  }
};
class ProfiledWorkers : public Profiled {};

TEST_P(Profiled, RecordsNothingWhileItIsOff) {
  const Var v = Var::make();
  engine->push(task([] {}, {overwrite(v)}));
  engine->wait_all();
  profiler::counter("c", "n", 1);
  profiler::mark("c", "m");
  { const profiler::Range r("r"); }
  EXPECT_THAT(trace::tasks(), IsEmpty());
  EXPECT_THAT(profiler::totals(), IsEmpty());
  profiler::start();
  profiler::stop();
  engine->push(task([] {}, {overwrite(v)}));
  engine->wait_all();
  EXPECT_THAT(profiler::totals(), IsEmpty());
}

TEST_P(Profiled, HoldsTheTasksThatRanWithTimesInOrder) {
  profiler::start();
  std::vector<Var> vars;
  for (int i = 0; i < 8; ++i) vars.push_back(Var::make());
  for (int i = 0; i < 400; ++i) {
    Task t = task([] {}, {update(vars[i % 8]), read(vars[(i + 1) % 8])}, i % 2 ? "odd" : "even");
    t.place = {"some/file.py", i};
    t.small = i % 3 == 0;
    engine->push(std::move(t));
  }
  engine->wait_all();
  profiler::stop();
  const std::vector<Slice> tasks = trace::tasks();
  EXPECT_EQ(trace::names(tasks), (std::map<std::string, int>{{"even", 200}, {"odd", 200}}));
  EXPECT_TRUE(trace::nests(tasks));
  std::set<std::string> places;
  for (const Slice& s : tasks) {
    places.insert(s.pushed_at);
    EXPECT_EQ(s.args_kind, "pushed");
    EXPECT_EQ(s.reads, 1u);
    EXPECT_EQ(s.writes, 1u);
    EXPECT_GE(s.waited, 0);
    EXPECT_GE(s.queued, 0);
    EXPECT_GE(s.end, s.begin);
    EXPECT_NEAR(s.pushed + s.waited + s.queued, s.begin, 0.01);
  }
  EXPECT_EQ(places.size(), 400u);
  EXPECT_EQ(places.count("some/file.py:17"), 1u);
  EXPECT_EQ(profiler::dropped(), 0);
}

// Tasks on one variable: each begins when the one before has ended.
TEST_P(Profiled, ASequenceIsSeenAsOne) {
  profiler::start();
  const Var v = Var::make();
  for (int i = 0; i < 50; ++i) engine->push(task([] {}, {update(v)}));
  engine->wait(v);
  std::vector<Slice> tasks = trace::tasks();  // while it is on
  ASSERT_EQ(tasks.size(), 50u);
  std::sort(tasks.begin(), tasks.end(),
            [](const Slice& a, const Slice& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < tasks.size(); ++i) EXPECT_GE(tasks[i].begin, tasks[i - 1].end);
}

TEST_P(Profiled, NestedTasksAndTasksRunAtOnceAreSeen) {
  profiler::start();
  const Var outer = Var::make(), inner = Var::make();
  auto nested = [&] {
    engine->push(task([] {}, {overwrite(inner)}, "inner"));
    engine->wait(inner);
  };
  engine->push(task(nested, {overwrite(outer)}, "outer"));
  engine->wait_all();
  const Engine::BorrowedUse use{&outer, Access::kUpdate};
  current_place() = {"here.py", 9};
  ASSERT_TRUE(engine->run_if_idle(
      {&use, 1}, "quick", [](void*) {}, nullptr));
  current_place() = {};
  const std::vector<Slice> tasks = trace::tasks();
  EXPECT_EQ(trace::names(tasks),
            (std::map<std::string, int>{{"inner", 1}, {"outer", 1}, {"quick", 1}}));
  EXPECT_TRUE(trace::nests(tasks));
  for (const Slice& s : tasks) {
    if (s.name == "quick") {
      EXPECT_EQ(s.args_kind, "at once");
      EXPECT_EQ(s.pushed_at, "here.py:9");
    }
  }
}

// Pushes a graph of "first" and "second", beside a task on `a`.
class ProfiledGraphs : public Profiled {
 protected:
  void see_graph(const GraphRef& graph, const Var& a);
};

void ProfiledGraphs::see_graph(const GraphRef& graph, const Var& a) {
  profiler::clear();
  profiler::start({.eager = false});
  for (int i = 0; i < 5; ++i) engine->push(graph);
  engine->push(task([] {}, {update(a)}, "eager"));
  engine->wait_all();
  const std::vector<Slice> tasks = trace::slices(Json::parse(profiler::trace()), "graph");
  EXPECT_THAT(trace::tasks(), IsEmpty());
  EXPECT_EQ(trace::names(tasks), (std::map<std::string, int>{{"first", 5}, {"second", 5}}));
  for (const Slice& s : tasks) {
    EXPECT_EQ(s.args_kind, "graph");
    EXPECT_EQ(s.reads, s.name == "second" ? 1u : 0u);
    EXPECT_EQ(s.writes, 1u);
    EXPECT_GE(s.waited, 0);
  }
  profiler::clear();
  profiler::start({.graph = false});
  engine->push(graph);
  engine->push(task([] {}, {update(a)}, "eager"));
  engine->wait_all();
  EXPECT_EQ(trace::names(trace::tasks()), (std::map<std::string, int>{{"eager", 1}}));
  EXPECT_THAT(trace::slices(Json::parse(profiler::trace()), "graph"), IsEmpty());
}

TEST_P(ProfiledGraphs, GraphNodesAreSeen) {
  const Var a = Var::make(), b = Var::make();
  for (const bool small : {false, true}) {  // small nodes are run together
    std::vector<GraphTask> nodes;
    nodes.push_back({task([] {}, {overwrite(a)}, "first")});
    nodes.push_back({task([] {}, {read(a), overwrite(b)}, "second")});
    for (GraphTask& n : nodes) n.task.small = small;
    see_graph(engine->prepare(std::move(nodes)), a);
  }
}

TEST_P(Profiled, PartsOfATaskAreSeenInsideIt) {
  auto body = [] {
    const profiler::Part first("one");
    const profiler::Part second("two");
  };
  std::vector<GraphTask> nodes;
  nodes.push_back({task(body, {}, "both")});
  const GraphRef graph = engine->prepare(std::move(nodes));
  profiler::start();
  engine->push(graph);
  engine->wait_all();
  const Json whole = Json::parse(profiler::trace());
  std::vector<Slice> all = trace::slices(whole, "operator");
  EXPECT_EQ(trace::names(all), (std::map<std::string, int>{{"one", 1}, {"two", 1}}));
  for (const Slice& s : trace::slices(whole, "graph")) all.push_back(s);
  EXPECT_EQ(all.size(), 3u);
  EXPECT_TRUE(trace::nests(all));
  profiler::clear();
  profiler::start({.graph = false});
  engine->push(graph);
  engine->wait_all();
  EXPECT_THAT(trace::tasks(), IsEmpty());
}

TEST_P(Profiled, TasksThatFailAreMarkedAndSkippedOnesAreAbsent) {
  profiler::start();
  const Var v = Var::make();
  engine->push(task([] { throw Error("no"); }, {overwrite(v)}, "bad"));
  engine->push(task([] {}, {update(v)}, "skipped"));
  EXPECT_THROW(engine->wait(v), TaskError);
  const std::vector<Slice> tasks = trace::tasks();
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].name, "bad");
  EXPECT_TRUE(tasks[0].failed);
}

TEST_P(Profiled, AnAsynchronousTaskLastsUntilItsDone) {
  profiler::start();
  const Var v = Var::make();
  Lasting far;
  engine->push(far.task("far", v));
  far.started.wait();
  EXPECT_EQ(trace::count_phase(Json::parse(profiler::trace()), "b"), 0u);
  (*far.done)();
  engine->wait(v);
  const Json all = Json::parse(profiler::trace());
  EXPECT_EQ(trace::count_phase(all, "b"), 1u);
  EXPECT_EQ(trace::count_phase(all, "e"), 1u);
  EXPECT_EQ(trace::names(trace::slices(all, "operator")), (std::map<std::string, int>{{"far", 1}}));
}

TEST_P(ProfiledWorkers, AnArrowLeadsFromEachPushToItsWorker) {
  profiler::start();
  const Var v = Var::make();
  for (int i = 0; i < 20; ++i) engine->push(task([] {}, {update(v)}));
  engine->wait(v);
  const Json all = Json::parse(profiler::trace());
  EXPECT_EQ(trace::count_phase(all, "s"), 20u);
  EXPECT_EQ(trace::count_phase(all, "f"), 20u);
  EXPECT_THAT(profiler::trace(), HasSubstr("\"heddle worker 0\""));
}

TEST_P(Profiled, MemoryIsBoundedAndWhatGoesIsCounted) {
  profiler::start({.bytes = 1 << 17});
  constexpr int kTasks = 20000;
  const Var v = Var::make();
  for (int i = 0; i < kTasks; ++i) engine->push(task([] {}, {update(v)}, "many"));
  engine->wait_all();
  const size_t kept = trace::tasks().size();
  EXPECT_GT(kept, 0u);
  EXPECT_LT(kept, 10000u);
  EXPECT_EQ(static_cast<int64_t>(kept) + profiler::dropped(), kTasks);
  EXPECT_EQ(profiler::totals().at(0).count, kTasks);
  profiler::clear();
  EXPECT_EQ(profiler::dropped(), 0);
  EXPECT_THAT(trace::tasks(), IsEmpty());
}

// Reading and clearing while tasks run, start and stop from two threads.
TEST_P(ProfiledWorkers, MayBeReadWhileItRecords) {
  profiler::start();
  std::thread reader([&] {
    for (int i = 0; i < 30; ++i) {
      if (i % 7 == 0) profiler::clear();
      if (i % 5 == 0) profiler::start();
      Json::parse(profiler::trace());
      profiler::totals();
    }
  });
  const Var v = Var::make();
  for (int i = 0; i < 3000; ++i) engine->push(task([] {}, {i % 2 ? update(v) : read(v)}));
  engine->wait_all();
  reader.join();
  EXPECT_TRUE(trace::nests(trace::tasks()));
}

TEST_P(Profiled, WhatTheProgramAddsIsThere) {
  profiler::start();
  { const profiler::Range r("load \"x\"", "io"); }
  const int64_t begin = profiler::now();
  profiler::counter("queue", "length", 3);
  profiler::counter("queue", "length", 1);
  profiler::mark("epoch", "end", profiler::Scope::kGlobal);
  profiler::range("train", "step", begin, profiler::Track::kOwn);
  profiler::stop();
  const Json all = Json::parse(profiler::trace());
  EXPECT_EQ(trace::names(trace::slices(all, "io")),
            (std::map<std::string, int>{{"load \"x\"", 1}}));
  EXPECT_EQ(trace::count_phase(all, "C"), 2u);
  EXPECT_EQ(trace::count_phase(all, "i"), 1u);
  EXPECT_EQ(trace::count_phase(all, "b"), 1u);
  EXPECT_EQ(trace::count_phase(all, "e"), 1u);
  std::vector<std::string> found;
  for (const profiler::Total& t : profiler::totals()) found.push_back(t.category + "/" + t.name);
  EXPECT_THAT(found, UnorderedElementsAre("io/load \"x\"", "queue/length", "train/step"));
  const auto totals = profiler::totals();
  const auto length = std::find_if(totals.begin(), totals.end(),
                                   [](const profiler::Total& t) { return t.counter; });
  EXPECT_EQ(length->count, 2);
  EXPECT_EQ(length->least, 1);
  EXPECT_EQ(length->most, 3);
  EXPECT_EQ(length->total, 4);
}

TEST_P(Profiled, AGaugeIsLookedAtAsTasksEnd) {
  static std::atomic<int64_t> level{7};
  profiler::gauge("water", "level", [] { return level.load(); });
  profiler::start();
  const Var v = Var::make();
  engine->push(task([] {}, {update(v)}));
  engine->wait_all();
  profiler::gauge("water", "level", nullptr);
  std::vector<double> levels;
  for (const profiler::Total& t : profiler::totals())
    if (t.counter) levels.push_back(t.most);
  EXPECT_THAT(levels, ElementsAre(7));
}

TEST_P(Profiled, TheFileIsWholeOrAbsent) {
  char folder[] = "/tmp/heddle-profile-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/trace.json";
  profiler::start();
  const Var v = Var::make();
  engine->push(task([] {}, {update(v)}));
  engine->wait_all();
  profiler::write_trace(path);
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(trace::slices(Json::parse(text), "operator").size(), 1u);
  EXPECT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(rmdir(folder), 0);  // nothing else was left there
  EXPECT_THAT(what_of([&] { profiler::write_trace(path); }), HasSubstr(path));
}

TEST_P(Profiled, AForkedChildBeginsWithNothing) {
  if (!kForks) GTEST_SKIP() << "a sanitizer does not survive a fork beside threads";
  profiler::start();
  const Var v = Var::make();
  engine->push(task([] {}, {update(v)}));
  engine->wait_all();
  engine->before_fork();
  const pid_t child = fork();
  engine->after_fork(child == 0);
  if (child == 0) {
    bool good = !profiler::running() && profiler::totals().empty();
    profiler::start();
    engine->push(task([] {}, {update(v)}, "child"));
    engine->wait(v);
    const auto tasks = trace::tasks();
    good = good && tasks.size() == 1 && tasks[0].name == "child";
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(trace::tasks().size(), 1u);
  EXPECT_TRUE(profiler::running());
}

// --- waits ----------------------------------------------------------------------------------

// Lets `go` happen once another thread is known to wait for it: a pending wait is in the picture.
void when_a_thread_waits(Engine& engine, const std::function<void()>& go) {
  while (profiler::pending_dot(engine).find("a thread") == std::string::npos)
    std::this_thread::yield();
  go();
}

TEST_P(ProfiledWorkers, AWaitTellsWhatItWaitedForAndWhere) {
  const Var v = Var::make(), w = Var::make();
  std::latch go(1);
  profiler::WaitTrace trace;
  profiler::start();
  Task t = task([&] { go.wait(); }, {overwrite(v)}, "Convolution");
  t.place = {"net.py", 17};
  engine->push(std::move(t));
  engine->push(task([] {}, {read(v), overwrite(w)}, "reader"));
  std::thread opener([&] { when_a_thread_waits(*engine, [&] { go.count_down(); }); });
  current_place() = {"train.py", 42};
  {
    const profiler::Call call("asnumpy");
    const profiler::Call inside("wait_to_read");
    engine->wait(v);
  }
  current_place() = {};
  opener.join();
  engine->wait_all();
  const std::vector<profiler::Wait> waits = trace.take();
  ASSERT_GE(waits.size(), 1u);
  EXPECT_EQ(waits[0].call, "asnumpy");
  EXPECT_EQ(waits[0].task, "Convolution");
  EXPECT_GT(waits[0].ms, 0);
  EXPECT_THAT(waits[0].text(), HasSubstr(" ms in asnumpy() at train.py:42 waiting for Convolution "
                                         "pushed at net.py:17"));
  EXPECT_THAT(trace.take(), IsEmpty());
  const auto seen = trace::slices(Json::parse(profiler::trace()), "wait");
  ASSERT_GE(seen.size(), 1u);
  EXPECT_EQ(seen[0].name, "asnumpy");
  EXPECT_EQ(seen[0].pushed_at, "net.py:17");
}

TEST_P(ProfiledWorkers, AWaitNamesTheNodeOfAGraph) {
  const Var v = Var::make(), w = Var::make();
  std::latch go(1);
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { go.wait(); }, {overwrite(v)}, "first")});
  nodes.push_back({task([] {}, {read(v), overwrite(w)}, "second")});
  nodes.push_back({task([] {}, {read(w)}, "third")});
  const GraphRef graph = engine->prepare(std::move(nodes));
  profiler::WaitTrace trace;
  engine->push(graph);
  std::thread opener([&] { when_a_thread_waits(*engine, [&] { go.count_down(); }); });
  engine->wait(w);
  opener.join();
  const std::vector<profiler::Wait> waits = trace.take();
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].task, "second");
  EXPECT_EQ(waits[0].call, "wait");
}

TEST_P(ProfiledWorkers, AWaitNamesTheNodeOfAGraphThatHasNotBegun) {
  const Var v = Var::make(), w = Var::make();
  std::latch go(1);
  std::vector<GraphTask> nodes;
  nodes.push_back({task([] {}, {read(v), overwrite(w)}, "small one")});
  nodes.push_back({task([] {}, {read(w)}, "small two")});
  for (GraphTask& n : nodes) n.task.small = true;
  nodes[0].task.place = {"net.py", 3};
  const GraphRef graph = engine->prepare(std::move(nodes));
  profiler::WaitTrace trace;
  engine->push(task([&] { go.wait(); }, {overwrite(v)}, "blocker"));
  engine->push(graph);
  std::thread opener([&] { when_a_thread_waits(*engine, [&] { go.count_down(); }); });
  engine->wait(w);
  opener.join();
  const std::vector<profiler::Wait> waits = trace.take();
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_THAT(waits[0].text(), testing::EndsWith("waiting for small one pushed at net.py:3"));
}

TEST_P(ProfiledWorkers, WaitsThatDoNotBlockAreNotTold) {
  profiler::WaitTrace trace;
  const Var v = Var::make();
  engine->push(task([] {}, {overwrite(v)}));
  engine->wait_all();
  trace.take();
  engine->wait(v);
  engine->wait_all();
  EXPECT_THAT(trace.take(), IsEmpty());
}

TEST_P(ProfiledWorkers, APushThatIsHeldBackIsTold) {
  static std::latch* held = nullptr;
  std::latch go(1);
  held = &go;
  const Var v = Var::make();
  engine->set_run_ahead({.bytes = 100});
  auto large = [&](std::function<void()> body) {
    Task t = task(std::move(body), {overwrite(v)});
    t.bytes = 60;
    engine->push(std::move(t));
  };
  large([&] { go.wait(); });
  profiler::WaitTrace trace;
  profiler::start();
  Engine::set_sleep_hooks(
      []() -> void* {
        if (held) held->count_down();
        held = nullptr;
        return nullptr;
      },
      [](void*) {});
  large([] {});
  Engine::set_sleep_hooks(nullptr, nullptr);
  const std::vector<profiler::Wait> waits = trace.take();
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_THAT(waits[0].text(),
              testing::ContainsRegex("^blocked .* ms in push\\(\\) waiting for room"));
  EXPECT_THAT(profiler::trace(), HasSubstr("\"for\":\"room\""));
  engine->wait_all();
}

TEST(WaitText, SaysWhatIsKnown) {
  profiler::Wait w{"waitall", {}, 1234.5, "", {}, 8};
  EXPECT_EQ(w.text(), "blocked 1234 ms in waitall() waiting for 8 tasks");
  w = {"wait", {"a.py", 1}, 0.25, "", {}, 0};
  EXPECT_EQ(w.text(), "blocked 0.250 ms in wait() at a.py:1 waiting for a device");
  w = {"asnumpy", {"a.py", 1}, 12.34, "dot", {"b.py", 2}, 0};
  EXPECT_EQ(w.text(), "blocked 12.3 ms in asnumpy() at a.py:1 waiting for dot pushed at b.py:2");
}

// --- the picture --------------------------------------------------------------------------------

TEST_P(ProfiledWorkers, ThePictureHasThePendingTasksAndTheirOrder) {
  EXPECT_EQ(profiler::pending_dot(*engine),
            "digraph pending {\n  rankdir=LR;\n  node [shape=box];\n}\n");
  const Var a = Var::make(), b = Var::make();
  Lasting first;
  engine->push(first.task("first", a));
  engine->push(task([] {}, {read(a)}, "left"));
  engine->push(task([] {}, {read(a), overwrite(b)}, "right"));
  engine->push(task([] {}, {update(a), read(b)}, "last \"one\""));
  first.started.wait();
  // `start` may not have returned yet.
  std::string dot = profiler::pending_dot(*engine);
  while (dot.find("its Done") == std::string::npos) dot = profiler::pending_dot(*engine);
  const trace::Graph g = trace::parse_dot(dot);
  EXPECT_EQ(g.state, (std::map<std::string, std::string>{{"first", "waiting for its Done"},
                                                         {"left", "waiting"},
                                                         {"right", "waiting"},
                                                         {"last \\\"one\\\"", "waiting"}}));
  EXPECT_THAT(g.edges,
              UnorderedElementsAre("first -> left", "first -> right", "left -> last \\\"one\\\"",
                                   "right -> last \\\"one\\\""));
  EXPECT_THAT(dot, HasSubstr("[label=\"v0, v1\"]"));  // the last edge: two variables
  (*first.done)();
  engine->wait_all();
  EXPECT_THAT(trace::parse_dot(profiler::pending_dot(*engine)).state, IsEmpty());
}

TEST_P(ProfiledWorkers, ThePictureShowsGraphsAndSleepers) {
  const Var a = Var::make(), b = Var::make(), c = Var::make();
  std::latch go(1);
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { go.wait(); }, {overwrite(a)}, "node 1")});
  nodes.push_back({task([] {}, {read(a)}, "node 2")});
  nodes.push_back({task([] {}, {}, "node 3"), {0, 1}});
  const GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  engine->push(task([&] { engine->wait(a); }, {overwrite(b)}, "sleeper"));
  engine->push(task([] {}, {update(b)}, "after"));
  std::thread outside([&] { engine->wait(b); });
  auto whole = [&] {
    const trace::Graph g = trace::parse_dot(profiler::pending_dot(*engine));
    return g.state.count("a thread") && g.state.at("sleeper") == "asleep in a wait" &&
           g.state.at("node 1") == "running";
  };
  while (!whole()) std::this_thread::yield();
  const trace::Graph g = trace::parse_dot(profiler::pending_dot(*engine));
  EXPECT_EQ(g.state, (std::map<std::string, std::string>{{"node 1", "running"},
                                                         {"node 2", "waiting"},
                                                         {"node 3", "waiting"},
                                                         {"sleeper", "asleep in a wait"},
                                                         {"after", "waiting"},
                                                         {"a thread", "asleep"}}));
  EXPECT_THAT(g.edges,
              UnorderedElementsAre("node 1 -> node 2", "node 1 -> node 3", "node 2 -> node 3",
                                   "node 1 -> sleeper", "sleeper -> after", "after -> a thread"));
  go.count_down();
  outside.join();
  engine->wait_all();
}

TEST_P(ProfiledWorkers, ThePictureMayBeDrawnWhileTheEngineRuns) {
  std::atomic<bool> over{false};
  std::thread artist([&] {
    // Everything else stands still for each picture, so not for ever.
    for (int i = 0; i < 50 && !over; ++i)
      EXPECT_THAT(profiler::pending_dot(*engine), testing::EndsWith("}\n"));
  });
  std::vector<GraphTask> nodes;
  const Var a = Var::make(), b = Var::make();
  nodes.push_back({task([] {}, {update(a)}, "n1")});
  nodes.push_back({task([] {}, {read(a), update(b)}, "n2")});
  const GraphRef graph = engine->prepare(std::move(nodes));
  for (int i = 0; i < 2000; ++i) {
    engine->push(task([] {}, {update(a), read(b)}));
    engine->push(graph);
    if (i % 50 == 0) engine->wait(b);
  }
  engine->wait_all();
  over = true;
  artist.join();
}

INSTANTIATE_TEST_SUITE_P(Engines, Profiled, testing::Values("naive", "threaded", "per_device"),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Engines, ProfiledGraphs,
                         testing::Values("naive", "threaded", "per_device"), kind_name);
INSTANTIATE_TEST_SUITE_P(Engines, ProfiledWorkers, testing::Values("threaded", "per_device"),
                         kind_name);

}  // namespace heddle
