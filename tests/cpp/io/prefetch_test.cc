// Batches that were read ahead are those that reading in order would give, also where samples fail.
#include "io/prefetch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace heddle::io {

struct Fault {
  std::set<uint64_t> unread, unmade;  // samples that Samples and that Filler throw for
};

// The numbers from 0 to n, the other way round in every second pass.
struct Numbers : Samples {
  uint64_t n;
  Fault fault;
  std::vector<uint64_t> gone;  // samples this data does not have
  uint64_t at = 0;
  int64_t pass = 0;

  Numbers(uint64_t n, Fault fault, std::vector<uint64_t> gone)
      : n(n), fault(std::move(fault)), gone(std::move(gone)) {}
  bool next(Sample& s) override {
    while (at < n) {
      const uint64_t number = pass % 2 == 0 ? at : n - 1 - at;
      ++at;
      if (std::find(gone.begin(), gone.end(), number) != gone.end()) continue;
      check(!fault.unread.contains(number), "unread {}", number);
      s.index = s.number = number;
      s.bytes = std::string(100, char(number));
      return true;
    }
    return false;
  }
  void rewind(int64_t new_pass) override { pass = new_pass, at = 0; }
};

// A row is the number of its sample, three times; its label is the pass.
struct Rows : Filler {
  Fault fault;
  explicit Rows(Fault fault) : fault(std::move(fault)) {}
  struct Maker : Worker {
    const Fault& fault;
    uint64_t last = 0;  // written by every call: a worker belongs to one thread at a time
    explicit Maker(const Fault& fault) : fault(fault) {}
    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      last = s.number;
      check(!fault.unmade.contains(s.number), "unmade {}", s.number);
      std::fill_n(static_cast<float*>(data) + 3 * row, 3, float(uint8_t(s.bytes[0])));
      static_cast<float*>(label)[row] = float(s.pass);
    }
  };
  std::unique_ptr<Worker> worker() const override { return std::make_unique<Maker>(fault); }
};

struct Case {
  uint64_t samples = 10;
  PrefetchOptions options = {};
  Fault fault = {};

  std::unique_ptr<DataIter> make(bool without_the_failing) const {
    std::vector<uint64_t> gone;
    if (without_the_failing) {
      gone.assign(fault.unread.begin(), fault.unread.end());
      gone.insert(gone.end(), fault.unmade.begin(), fault.unmade.end());
    }
    return prefetch(std::make_unique<Numbers>(samples, fault, gone), std::make_unique<Rows>(fault),
                    {{options.batch_size, 3}}, {{options.batch_size}}, options);
  }
};

struct Found {
  std::vector<float> data, label;
  std::vector<uint64_t> index;
  int64_t pad = 0;
  bool operator==(const Found&) const = default;
};

Found found(const Batch& b) {
  Found f{std::vector<float>(size_t(b.data.size())), std::vector<float>(size_t(b.label.size())),
          b.index, b.pad};
  b.data.copy_to(f.data.data());
  b.label.copy_to(f.label.data());
  return f;
}

// Up to `most` batches of a pass. What was thrown goes into `errors`.
std::vector<Found> pass_of(DataIter& iter, std::vector<std::string>* errors, int64_t most = 1000) {
  std::vector<Found> all;
  while (int64_t(all.size()) < most) {
    try {
      if (!iter.next()) break;
      all.push_back(found(iter.batch()));
    } catch (const Error& e) {
      errors->push_back(e.what());
    }
  }
  return all;
}

TEST(Prefetch, PadsDropsOrBeginsTheNextPass) {
  Case c{.samples = 5, .options = {.batch_size = 3}};
  std::vector<std::string> errors;
  c.options.tail = Tail::kPad;
  auto batches = pass_of(*c.make(false), &errors);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[1].data, (std::vector<float>{3, 3, 3, 4, 4, 4, 0, 0, 0}));
  EXPECT_EQ(batches[1].pad, 1);
  c.options.tail = Tail::kDrop;
  EXPECT_EQ(pass_of(*c.make(false), &errors).size(), 1u);
  c.options.tail = Tail::kRound;
  const auto iter = c.make(false);
  batches = pass_of(*iter, &errors);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[1].index, (std::vector<uint64_t>{3, 4, 4}));  // the second pass begins with 4
  EXPECT_EQ(batches[1].label, (std::vector<float>{0, 0, 1}));
  iter->reset();
  batches = pass_of(*iter, &errors);
  EXPECT_EQ(batches[0].index, (std::vector<uint64_t>{3, 2, 1}));
  EXPECT_TRUE(errors.empty());
}

TEST(Prefetch, ThrowsForTheSampleThatFailedAndGoesOnWithoutIt) {
  const Case c{.samples = 7,
               .options = {.batch_size = 2, .tail = Tail::kPad},
               .fault = {.unread = {3}, .unmade = {1, 6}}};
  const auto iter = c.make(false);
  std::vector<std::string> errors;
  const std::vector<Found> batches = pass_of(*iter, &errors);
  EXPECT_EQ(errors, (std::vector<std::string>{"unmade 1", "unread 3", "unmade 6"}));
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].data, (std::vector<float>{0, 0, 0, 2, 2, 2}));
  EXPECT_EQ(batches[1].data, (std::vector<float>{4, 4, 4, 5, 5, 5}));
}

// Also where many samples of one batch and of those behind it fail at once, on several threads.
TEST(Prefetch, FailingSamplesLeaveTheBatchesOfDataThatHasThemNot) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return unsigned(random() % n); };
    Case c{.samples = 1 + below(60)};
    c.options = {.batch_size = 1 + below(9),
                 .ahead = 1 + below(5),
                 .threads = 1 + below(6),
                 .tail = Tail(below(3))};
    const unsigned often = 2 + below(12);
    for (uint64_t s = 0; s + 1 < c.samples; ++s)  // one is whole
      if (below(often) == 0) (below(2) ? c.fault.unread : c.fault.unmade).insert(s);
    const auto broken = c.make(false), whole = c.make(true);
    for (int pass = 0; pass < 4; ++pass) {
      const int64_t most = below(3) == 0 ? below(4) : 1000;  // some passes end before their end
      std::vector<std::string> errors, none;
      EXPECT_EQ(pass_of(*broken, &errors, most), pass_of(*whole, &none, most));
      EXPECT_TRUE(none.empty());
      // Those of a last batch that is begun anew belong to the next pass.
      if (c.options.tail == Tail::kPad && most == 1000) {
        EXPECT_EQ(errors.size(), c.fault.unread.size() + c.fault.unmade.size());
      }
      broken->reset();
      whole->reset();
    }
  }
}

TEST(Prefetch, AnIteratorMayGoWhileItsBatchesAreOnTheirWay) {
  for (int i = 0; i < 200; ++i) {
    const Case c{.samples = 50,
                 .options = {.batch_size = 4, .ahead = 6, .threads = 3},
                 .fault = {.unread = {}, .unmade = {2, 9, 17}}};
    const auto iter = c.make(false);
    std::vector<std::string> errors;
    pass_of(*iter, &errors, i % 3);
  }
}

}  // namespace heddle::io
