// Feeds a fuzz target with mutated seeds, where there is no libFuzzer:
// driver RUNS SEED FILE... Run i depends on SEED + i alone, so the run that a sanitizer stopped is
// repeated by driver 1 SEED+i FILE.... A run of more than 20 seconds of the processor ends the
// program.
#include <sys/time.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

static uint64_t current = 0;

static void say_which() {
  std::fprintf(stderr, "the run of seed %llu\n", static_cast<unsigned long long>(current));
}

static void hang(int) {
  say_which();
  std::abort();
}

// Mutations that models are sensitive to: numbers, names of operators, counts and lengths.
class Mutator {
 public:
  Mutator(uint64_t seed, const std::vector<std::string>& seeds) : random_(seed), seeds_(seeds) {}

  std::string input() {
    std::string s = seeds_[below(seeds_.size())];
    for (size_t n = 1 + below(4); n > 0; --n) mutate(s);
    return s;
  }

 private:
  size_t below(size_t n) { return n ? size_t(random_() % n) : 0; }

  void mutate(std::string& s) {
    if (s.empty()) return;
    const size_t at = below(s.size());
    switch (below(10)) {
      case 0:
        s[at] = char(s[at] ^ (1 << below(8)));
        break;
      case 1:
        s[at] = char(random_());
        break;
      case 2:
        s.erase(at, 1 + below(64));
        break;
      case 3:
        s.insert(at, s.substr(below(s.size()), 1 + below(64)));
        break;
      case 4:
        s.resize(at);
        break;
      case 5:  // four or eight bytes of a length, a shape or a count
        for (size_t i = at, n = below(2) ? 4 : 8, v = number(); i < s.size() && n > 0; ++i, --n)
          s[i] = char(v), v >>= 8;
        break;
      case 6:
      case 7:
        replace_number(s, at);
        break;
      case 8:
        replace_text(s, at);
        break;
      default: {  // a piece of another one
        const std::string& other = seeds_[below(seeds_.size())];
        const size_t from = below(other.size());
        s.replace(at, below(200), other, from, below(200));
      }
    }
  }

  uint64_t number() {
    static const int64_t kOdd[] = {
        0,         1,         2,   3,   7,    8,         9,         16,
        64,        127,       128, 255, 1000, 65535,     65536,     1 << 20,
        INT32_MAX, INT32_MIN, -1,  -2,  -8,   INT64_MAX, INT64_MIN, int64_t{1} << 32,
        1 << 30,   1000000007};
    return uint64_t(kOdd[below(std::size(kOdd))]);
  }

  // The next number of the text from `at`.
  void replace_number(std::string& s, size_t at) {
    const size_t begin = s.find_first_of("0123456789", at);
    if (begin == std::string::npos) return;
    const size_t end = s.find_first_not_of("0123456789", begin);
    s.replace(begin, (end == std::string::npos ? s.size() : end) - begin,
              std::to_string(int64_t(number())));
  }

  // The next quoted text by another one, of this seed or of others: an operator, a parameter, its
  // value.
  void replace_text(std::string& s, size_t at) {
    const std::string& other = seeds_[below(seeds_.size())];
    const size_t from = other.find('"', below(other.size())), begin = s.find('"', at);
    if (from == std::string::npos || begin == std::string::npos) return;
    const size_t until = other.find('"', from + 1), end = s.find('"', begin + 1);
    if (until == std::string::npos || end == std::string::npos) return;
    s.replace(begin, end - begin, other, from, until - from);
  }

  std::mt19937_64 random_;
  const std::vector<std::string>& seeds_;
};

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::vector<std::string> seeds;
  for (int i = 3; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  const auto run = [](const std::string& s) {
    const itimerval limit = {{}, {20, 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(s.data()), s.size());
  };
  std::signal(SIGPROF, hang);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_which);
  for (const std::string& s : seeds) run(s);
  const uint64_t runs = std::strtoull(argv[1], nullptr, 10),
                 first = std::strtoull(argv[2], nullptr, 10);
  for (current = first; current < first + runs; ++current) run(Mutator(current, seeds).input());
  std::printf("%llu runs\n", static_cast<unsigned long long>(runs));
}
