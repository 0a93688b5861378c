// Two-stage completion: done on the host, then on the device. A fake device holds its work back
// until the test lets it go.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/support.h"

namespace heddle {

struct FakeEvent : Event {
  mutable std::mutex lock;
  mutable std::condition_variable changed;
  bool over = false;
  bool done() const override {
    std::lock_guard l(lock);
    return over;
  }
  void wait() const override {
    std::unique_lock l(lock);
    changed.wait(l, [&] { return over; });
  }
  void end() {
    std::lock_guard l(lock);
    over = true;
    changed.notify_all();
  }
};

// Records what was asked of it.
struct FakeStream : Stream {
  std::mutex lock;
  std::vector<std::shared_ptr<FakeEvent>> recorded;
  std::vector<const Event*> waited_for;
  EventRef record() override {
    std::lock_guard l(lock);
    return recorded.emplace_back(std::make_shared<FakeEvent>());
  }
  void wait_for(const EventRef& e) override {
    std::lock_guard l(lock);
    waited_for.push_back(e.get());
  }
};

struct FakeApi : DeviceApi {
  static inline std::vector<FakeStream*> streams;
  static inline bool broken = false;
  // The table keeps what it is given for ever, so it is given one.
  static void install() {
    [[maybe_unused]] static const bool once =
        (set_device_api(Device::kFake, std::make_unique<FakeApi>()), true);
    streams.clear();
    broken = false;
  }
  int count() const override { return 1; }
  bool asynchronous() const override { return true; }
  void* allocate(Device, size_t) override { return nullptr; }
  void free(Device, void*, size_t) override {}
  std::unique_ptr<Stream> make_stream(Device) override {
    check(!broken, "[fake] no such card");
    auto s = std::make_unique<FakeStream>();
    streams.push_back(s.get());
    return s;
  }
  void copy(void*, Device, const void*, Device, size_t, Stream*) override {}
};

constexpr Device kFakeDevice{Device::kFake, 0};

class TwoStages : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    FakeApi::install();
    engine = Engine::make(GetParam(), 2);
  }
  Task on_device(std::vector<Use> uses, Lane lane = Lane::kCompute) {
    Task t = task([] {}, std::move(uses), "kernel");
    t.device = kFakeDevice;
    t.lane = lane;
    return t;
  }
  // Pushes the task and returns the event that ends its device part.
  std::shared_ptr<FakeEvent> started(Task t) {
    const Lane lane = t.lane;
    std::latch ran(1);
    FakeStream* stream = nullptr;
    t.run = [&stream, body = std::move(t.run)](RunContext& c) {
      body(c);
      stream = static_cast<FakeStream*>(c.stream);
    };
    Var after = Var::make();
    t.uses.push_back(overwrite(after));
    engine->push(std::move(t));
    // Runs on the same lane, so after the first on the host.
    Task next = task([&] { ran.count_down(); }, {update(after)});
    next.device = kFakeDevice;
    next.lane = lane;
    engine->push(std::move(next));
    ran.wait();
    std::lock_guard l(stream->lock);
    return stream->recorded.front();
  }
  void end_all() {
    for (FakeStream* s : FakeApi::streams) {
      std::lock_guard l(s->lock);
      for (auto& e : s->recorded) e->end();
    }
  }
  void TearDown() override {
    std::atomic<bool> stop{false};
    std::thread ender([&] {
      while (!stop) end_all();
    });
    engine->wait_all();
    stop = true;
    ender.join();
    engine.reset();
  }
  std::unique_ptr<Engine> engine;
};
INSTANTIATE_TEST_SUITE_P(Engines, TwoStages, testing::Values("threaded", "per_device"), kind_name);

TEST_P(TwoStages, TheHostRunsOnWhileTheDeviceWorks) {
  Var a = Var::make();
  auto event = started(on_device({overwrite(a)}));
  EXPECT_FALSE(event->done());  // and yet the next task of the lane has run
}

TEST_P(TwoStages, AHostTaskWaitsForTheEventWithoutHoldingAWorker) {
  Var a = Var::make(), b = Var::make();
  auto event = started(on_device({overwrite(a)}));
  std::atomic<bool> read_a{false};
  for (int i = 0; i < 4; ++i) engine->push(task([&] { read_a = true; }, {read(a)}));
  for (int i = 0; i < 4; ++i) engine->push(task([] {}, {update(b)}));
  engine->wait(b);  // all workers are free for this
  EXPECT_FALSE(read_a);
  end_all();
  engine->wait_to_write(a);
  EXPECT_TRUE(read_a);
}

TEST_P(TwoStages, AnotherLaneIsToldToWaitAndTheSameLaneIsNot) {
  Var a = Var::make();
  auto event = started(on_device({overwrite(a)}));
  auto copied = started(on_device({read(a)}, Lane::kCopyOut));
  ASSERT_EQ(FakeApi::streams.size(), 2u);
  EXPECT_EQ(FakeApi::streams[1]->waited_for, std::vector<const Event*>{event.get()});
  EXPECT_TRUE(FakeApi::streams[0]->waited_for.empty());
  // The write that follows must come after the copy's read.
  started(on_device({overwrite(a)}));
  EXPECT_EQ(FakeApi::streams[0]->waited_for, std::vector<const Event*>{copied.get()});
}

TEST_P(TwoStages, AWaitReturnsWhenTheDeviceIsDone) {
  Var a = Var::make();
  auto event = started(on_device({overwrite(a)}));
  std::atomic<bool> returned{false};
  std::thread waiter([&] {
    engine->wait(a);
    EXPECT_TRUE(event->done());
    returned = true;
  });
  EXPECT_FALSE(returned);
  end_all();
  waiter.join();
}

TEST_P(TwoStages, ClosuresAndBytesLiveUntilTheDeviceIsDone) {
  engine->set_run_ahead({.bytes = 100});
  Var a = Var::make();
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> seen = held;
  Task t = on_device({overwrite(a)});
  t.bytes = 80;
  t.run = [held = std::move(held)](RunContext&) {};
  auto event = started(std::move(t));
  EXPECT_FALSE(seen.expired());
  std::atomic<bool> admitted{false};
  std::thread producer([&] {
    Var b = Var::make();
    Task second = task([] {}, {update(b)});
    second.bytes = 80;
    engine->push(std::move(second));
    admitted = true;
    EXPECT_TRUE(event->done());
  });
  Var c = Var::make();
  engine->push(task([] {}, {update(c)}));
  engine->wait(c);
  EXPECT_FALSE(admitted);
  end_all();
  producer.join();
}

TEST_P(TwoStages, DoneHandsOverAnEvent) {
  Var a = Var::make();
  auto event = std::make_shared<FakeEvent>();
  engine->push(Task{.name = "copy",
                    .start = [event](RunContext&, Done done) { done(nullptr, event); },
                    .uses = {overwrite(a)},
                    .device = kFakeDevice});
  std::atomic<bool> ran{false};
  engine->push(task([&] { ran = true; }, {read(a)}));
  Var b = Var::make();
  engine->push(task([] {}, {update(b)}));
  engine->wait(b);
  EXPECT_FALSE(ran);
  event->end();
  engine->wait_to_write(a);
  EXPECT_TRUE(ran);
}

TEST_P(TwoStages, NodesOfGraphsKeepTheirEvents) {
  Var a = Var::make(), b = Var::make();
  std::vector<GraphTask> nodes;
  nodes.push_back({on_device({overwrite(a)})});
  nodes.push_back({on_device({read(a), overwrite(b)}, Lane::kCopyOut)});
  nodes.push_back({on_device({}, Lane::kCopyIn), {0}});
  GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  std::atomic<bool> ran{false};
  engine->push(task([&] { ran = true; }, {read(b)}));
  Var c = Var::make();
  engine->push(task([] {}, {update(c)}));
  engine->wait(c);
  EXPECT_FALSE(ran);
  // Released until the graph has run: its nodes record as they go.
  std::atomic<bool> stop{false};
  std::thread ender([&] {
    while (!stop) end_all();
  });
  engine->wait_to_write(b);
  engine->push(graph);
  engine->wait_all();
  stop = true;
  ender.join();
  EXPECT_TRUE(ran);
  size_t told = 0;
  for (FakeStream* s : FakeApi::streams) told += s->waited_for.size();
  EXPECT_GT(FakeApi::streams.size(), 2u);
  EXPECT_LE(told, 6u);
}

TEST(TwoStagesNaive, IsSynchronous) {
  FakeApi::install();
  auto engine = Engine::make("naive");
  Var a = Var::make();
  auto event = std::make_shared<FakeEvent>();
  std::thread ender([&] { event->end(); });
  engine->push(Task{.name = "copy",
                    .start = [event](RunContext&, Done done) { done(nullptr, event); },
                    .uses = {overwrite(a)}});
  EXPECT_TRUE(event->done());
  ender.join();
  EXPECT_EQ(engine->workers(), 0);
}

// A device that cannot be had fails its tasks, not the program.
TEST_P(EveryEngine, ADeviceWithoutStreamsFailsItsTasks) {
  FakeApi::install();
  FakeApi::broken = true;
  Var a = Var::make();
  Task t = task([] {}, {overwrite(a)});
  t.device = kFakeDevice;
  engine->push(std::move(t));
  EXPECT_NE(what_of([&] { engine->wait(a); }).find("no such card"), std::string::npos);
}

}  // namespace heddle
