// The tasks: one that reads the samples of a batch, on the lane for files and after the one before
// it; then one for each piece of the batch. next() waits for them.
#include "io/prefetch.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace heddle::io {

// A batch on its way. Its memory goes to the arrays that next() gives.
struct Sheet {
  std::vector<Sample> samples;
  std::shared_ptr<void> data, label;
  int64_t began = 0, pass = 0;  // the passes of its first and of its last sample
  int64_t pad = 0;
  bool last = false;  // of its pass
  bool end = false;   // there was none
  bool rounded = false;
  std::exception_ptr error;  // of a sample that could not be read
  Var read;
  std::vector<Var> pieces;

  void fail_at(int64_t row, std::exception_ptr error) {
    const std::lock_guard lock(mutex);
    failed.emplace(row, std::move(error));
  }
  std::mutex mutex;
  std::map<int64_t, std::exception_ptr> failed;  // rows that no array could be made of, and why
};

// A sample that was read and comes once more; or the error that came in its place.
struct Again {
  int64_t pass = 0;
  Sample sample;
  std::exception_ptr error;
};

static std::shared_ptr<void> memory(int64_t bytes) {
  Pool& pool = Pool::of({});
  const Memory m = pool.allocate(size_t(bytes));
  return {m.data, [m, &pool](void*) { pool.free(m); }};
}

// What the tasks share with the iterator, and outlives it until they are done.
struct Making {
  std::unique_ptr<Samples> samples;
  std::unique_ptr<Filler> filler;
  BatchShape data, label;
  PrefetchOptions options;
  Var reading = Var::make();         // where `samples` stands
  std::atomic<bool> stopped{false};  // nobody waits for what is on its way

  // Of the reading tasks, and of the iterator while there are none.
  int64_t pass = 0, source_pass = 0;  // of the next sample, and where `samples` stands
  uint64_t turn = 0;
  bool over = false;
  std::deque<Again> again;  // stands before what `samples` still has

  std::mutex mutex;
  std::vector<std::unique_ptr<Filler::Worker>> idle;

  std::unique_ptr<Filler::Worker> take_worker() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto w = std::move(idle.back());
        idle.pop_back();
        return w;
      }
    }
    return filler->worker();
  }
  void give_worker(std::unique_ptr<Filler::Worker> w) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(w));
  }

  void start(int64_t new_pass) {
    again.clear();
    samples->rewind(pass = source_pass = new_pass);
    over = false;
  }

  // False at the end of the pass. Throws for a sample that cannot be read, and goes on behind it.
  bool one_more(Sheet& sheet) {
    if (!again.empty()) {
      if (again.front().pass != pass) return false;
      Again next = std::move(again.front());
      again.pop_front();
      if (next.error) std::rethrow_exception(next.error);
      sheet.samples.push_back(std::move(next.sample));
      return true;
    }
    Sample s;
    if (source_pass != pass || !samples->next(s)) return false;
    s.turn = turn++, s.pass = pass;
    sheet.samples.push_back(std::move(s));
    return true;
  }
  void next_pass() {
    ++pass;
    if (again.empty() && source_pass < pass) samples->rewind(source_pass = pass);
  }
  void finish(Sheet& sheet) {
    const int64_t batch = options.batch_size, found = int64_t(sheet.samples.size());
    over = sheet.last = true;
    if ((sheet.end = found == 0 || options.tail == Tail::kDrop)) return;
    sheet.pad = batch - found;
    if (options.tail != Tail::kRound) return;
    sheet.rounded = true;
    for (bool some = true; some && int64_t(sheet.samples.size()) < batch;) {
      next_pass();
      some = false;
      while (int64_t(sheet.samples.size()) < batch && one_more(sheet)) some = true;
    }
  }
  void read(Sheet& sheet) {
    if ((sheet.end = over || stopped)) return;
    sheet.began = pass;
    sheet.samples.reserve(size_t(options.batch_size));
    try {
      while (int64_t(sheet.samples.size()) < options.batch_size)
        if (!one_more(sheet)) {
          finish(sheet);
          break;
        }
    } catch (...) {
      sheet.error = std::current_exception();
      take_back(sheet);
    }
    sheet.pass = pass;
    if (sheet.end || sheet.error) return;
    sheet.data = memory(data.shape.size() * dtype_size(data.dtype));
    sheet.label = memory(label.shape.size() * dtype_size(label.dtype));
  }
  // As if the sheet had not been read: its samples come again, and errors in place of those that
  // failed. Later sheets go first.
  void take_back(Sheet& sheet) {
    std::deque<Again> all;
    for (size_t i = 0; i < sheet.samples.size(); ++i) {
      const auto found = sheet.failed.find(int64_t(i));
      Sample& s = sheet.samples[i];
      all.push_back({s.pass, std::move(s), found == sheet.failed.end() ? nullptr : found->second});
    }
    again.insert(again.begin(), std::make_move_iterator(all.begin()),
                 std::make_move_iterator(all.end()));
    sheet.samples.clear();
    pass = sheet.began, over = sheet.last = sheet.end = false;
  }
  void fill(Sheet& sheet, int64_t begin, int64_t end) {
    if (sheet.end || sheet.error || stopped) return;
    const int64_t batch = options.batch_size, have = int64_t(sheet.samples.size());
    std::unique_ptr<Filler::Worker> w = take_worker();
    for (int64_t row = begin; row < std::min(end, have); ++row) {
      try {
        w->fill(sheet.samples[size_t(row)], row, sheet.data.get(), sheet.label.get());
      } catch (...) {
        sheet.fail_at(row, std::current_exception());
      }
    }
    for (const auto& [array, memory] : {std::pair(&data, &sheet.data), {&label, &sheet.label}}) {
      const int64_t row = array->shape.size() / batch * dtype_size(array->dtype);
      const int64_t from = std::max(begin, have);
      if (from < end)
        std::memset(static_cast<char*>(memory->get()) + from * row, 0, size_t((end - from) * row));
    }
    give_worker(std::move(w));
  }
};

class Prefetcher : public DataIter {
 public:
  explicit Prefetcher(std::shared_ptr<Making> making) : making_(std::move(making)) { ahead(); }
  ~Prefetcher() override { making_->stopped = true; }

  const BatchShape& data() const override { return making_->data; }
  const BatchShape& label() const override { return making_->label; }
  const Batch& batch() const override { return batch_; }

  bool next() override {
    if (ended_) return false;
    const std::shared_ptr<Sheet> sheet = std::move(ahead_.front());
    ahead_.pop_front();
    for (const Var& piece : sheet->pieces) Engine::get().wait(piece);
    if (!sheet->failed.empty()) lose_the_first_that_failed(*sheet);
    pass_ = sheet->pass;
    if (sheet->last) last_ = true, rounded_ = sheet->rounded;
    if ((ended_ = sheet->end)) return false;
    push();
    if (sheet->error) std::rethrow_exception(sheet->error);
    deliver(*sheet);
    return true;
  }

  void reset() override {
    Making& m = *making_;
    // A last batch that was filled up has begun the next pass.
    const bool goes_on = last_ && rounded_;
    if (goes_on) {
      Engine::get().wait(m.reading);
      m.over = false;
    } else {
      stop();  // what was read ahead is of no use
      m.start(pass_ + 1);
    }
    ahead_.clear();
    ended_ = last_ = rounded_ = false;
    ahead();
  }

 private:
  // Ends what is on its way.
  void stop() {
    Making& m = *making_;
    m.stopped = true;
    Engine::get().wait(m.reading);
    for (const auto& sheet : ahead_)
      for (const Var& piece : sheet->pieces) Engine::get().wait(piece);
    m.stopped = false;
  }
  // Throws what happened to that sample. All others, also those of the batches behind, come again,
  // so that batches are what they would be without it.
  [[noreturn]] void lose_the_first_that_failed(Sheet& sheet) {
    stop();
    Making& m = *making_;
    for (auto behind = ahead_.rbegin(); behind != ahead_.rend(); ++behind) {
      Sheet& s = **behind;
      if (s.error) m.again.push_front({s.began, {}, s.error});
      else if (!s.samples.empty()) m.take_back(s);
    }
    const auto first = sheet.failed.begin();
    const std::exception_ptr error = first->second;
    m.take_back(sheet);
    m.again.erase(m.again.begin() + first->first);
    ahead_.clear();
    ahead();
    std::rethrow_exception(error);
  }
  void ahead() {
    pass_ = making_->pass;
    while (int64_t(ahead_.size()) < making_->options.ahead) push();
  }
  void push() {
    auto sheet = std::make_shared<Sheet>();
    Making& m = *making_;
    sheet->read = Var::make();
    Engine& engine = Engine::get();
    const Engine::BorrowedUse reads[] = {{&m.reading, Access::kUpdate},
                                         {&sheet->read, Access::kOverwrite}};
    engine.push(
        reads, [m = making_, sheet](RunContext&) { m->read(*sheet); },
        Traits{.name = "read a batch", .lane = Lane::kIo});
    const int64_t batch = m.options.batch_size, pieces = std::min(m.options.threads, batch);
    for (int64_t p = 0; p < pieces; ++p) {
      sheet->pieces.push_back(Var::make());
      const Engine::BorrowedUse uses[] = {{&sheet->read, Access::kRead},
                                          {&sheet->pieces.back(), Access::kOverwrite}};
      const int64_t begin = p * batch / pieces, end = (p + 1) * batch / pieces;
      engine.push(
          uses, [m = making_, sheet, begin, end](RunContext&) { m->fill(*sheet, begin, end); },
          Traits{.name = "make a batch", .priority = -1});
    }
    ahead_.push_back(std::move(sheet));
  }
  void deliver(Sheet& sheet) {
    batch_ = {};
    const Making& m = *making_;
    batch_.data = NDArray::wrap(sheet.data.get(), m.data.shape, m.data.dtype, {}, sheet.data);
    batch_.label = NDArray::wrap(sheet.label.get(), m.label.shape, m.label.dtype, {}, sheet.label);
    batch_.pad = sheet.pad;
    for (const Sample& s : sheet.samples) batch_.index.push_back(s.index);
    batch_.index.resize(size_t(m.options.batch_size));
  }

  std::shared_ptr<Making> making_;
  std::deque<std::shared_ptr<Sheet>> ahead_;
  Batch batch_;
  int64_t pass_ = 0;  // of the last batch
  bool ended_ = false, last_ = false, rounded_ = false;
};

std::unique_ptr<DataIter> prefetch(std::unique_ptr<Samples> samples, std::unique_ptr<Filler> filler,
                                   BatchShape data, BatchShape label, PrefetchOptions options) {
  auto making = std::make_shared<Making>();
  options.ahead = std::max<int64_t>(options.ahead, 1);
  options.threads = std::max<int64_t>(options.threads, 1);
  making->samples = std::move(samples), making->filler = std::move(filler);
  making->data = data, making->label = label, making->options = options;
  making->samples->rewind(0);
  return std::make_unique<Prefetcher>(std::move(making));
}

}  // namespace heddle::io
