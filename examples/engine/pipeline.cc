// A pipeline over many files: read, count words, write one line per file, in the files' order.
//
//   pipeline [DIRECTORY [MEGABYTES]]     without a directory it makes texts of its own
//
// Reads wait for the disk while counts keep the processors busy. The texts in memory never exceed
// the budget, however many files there are: the loop that pushes is held back. A file that cannot
// be read loses its own line and nothing else.
#include <heddle/engine.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;
using heddle::Access, heddle::Engine, heddle::GraphTask, heddle::Lane, heddle::RunContext,
    heddle::Task, heddle::Var;

// Bytes of text in memory, and the most there ever were.
struct Meter {
  std::mutex lock;
  int64_t now = 0, peak = 0;
  void add(int64_t bytes) {
    const std::lock_guard guard(lock);
    peak = std::max(peak, now += bytes);
  }
};

int64_t size_of(const fs::path& path) {
  std::error_code unknown;
  const uintmax_t size = fs::file_size(path, unknown);
  return unknown ? 0 : static_cast<int64_t>(size);
}

// What goes through the stages. Tasks share it; each names the variable of the part it touches.
struct Document {
  fs::path path;
  int64_t bytes;
  Meter& meter;
  std::string text = {}, line = {};
  Var text_var = Var::make(), line_var = Var::make();
};

void read(Document& d) {
  std::ifstream file(d.path, std::ios::binary);
  if (!file) throw heddle::Error("cannot read " + d.path.string());
  d.text.resize(d.bytes);
  d.meter.add(d.bytes);
  file.read(d.text.data(), d.bytes);
}

// "name: 12 words, 9 different". The text is gone when its words are counted.
void count(Document& d) {
  int words = 0;
  std::set<std::string> different;
  {
    std::istringstream text(std::move(d.text));
    for (std::string word; text >> word; ++words) different.insert(word);
  }
  d.meter.add(-d.bytes);
  d.line = d.path.filename().string() + ": " + std::to_string(words) + " words, " +
           std::to_string(different.size()) + " different\n";
}

// Returns how many files could not be read.
int run(const std::vector<fs::path>& files, int64_t budget, std::ostream& output, Meter& meter) {
  Engine& engine = Engine::get();
  engine.set_run_ahead({.bytes = budget});
  const Var output_var = Var::make();
  std::vector<std::shared_ptr<Document>> documents;
  for (const fs::path& path : files) {
    const auto d = documents.emplace_back(new Document{path, size_of(path), meter});
    // The stages of a file are pushed together, as a graph: its bytes are taken from the budget
    // before the read starts and given back when all is done. Here the loop may be held back.
    std::vector<GraphTask> stages;
    stages.push_back({Task{.name = "read",
                           .run = [d](RunContext&) { read(*d); },
                           .uses = {{d->text_var, Access::kOverwrite}},
                           .lane = Lane::kIo,
                           .bytes = d->bytes}});
    stages.push_back(
        {Task{.name = "count",
              .run = [d](RunContext&) { count(*d); },
              .uses = {{d->text_var, Access::kUpdate}, {d->line_var, Access::kOverwrite}}}});
    // What writes one variable runs in the order of the pushes. kOverwrite, for a line does not
    // depend on those before it: it is written although one of them failed.
    stages.push_back({Task{.name = "write",
                           .run = [d, &output](RunContext&) { output << d->line; },
                           .uses = {{d->line_var, Access::kRead}, {output_var, Access::kOverwrite}},
                           .lane = Lane::kIo}});
    engine.push(engine.prepare(std::move(stages)));
  }
  int unreadable = 0;
  for (const auto& d : documents) {
    try {
      engine.wait(d->line_var);
    } catch (const heddle::TaskError& error) {  // the read failed, so the rest was skipped
      std::printf("left out: %s\n", error.what());
      ++unreadable;
    }
  }
  engine.wait_all();
  return unreadable;
}

// The same, one file after the other.
std::string run_serially(const std::vector<fs::path>& files) {
  std::string output;
  Meter meter;
  for (const fs::path& path : files) {
    if (!std::ifstream(path)) continue;
    Document d{path, size_of(path), meter};
    read(d);
    count(d);
    output += d.line;
  }
  return output;
}

void make_texts(const fs::path& folder) {
  fs::create_directories(folder);
  std::mt19937 random(1);
  for (int f = 0; f < 200; ++f) {
    std::ofstream file(folder / ("text" + std::to_string(1000 + f)));
    for (unsigned letters = 3000 + random() % 60000; letters > 0; --letters)
      file.put(random() % 4 ? static_cast<char>('a' + random() % 10) : ' ');
  }
  fs::create_symlink("nowhere", folder / "text1100-lost");  // cannot be read
}

int main(int argc, char** argv) {
  const bool own = argc < 2;
  const std::string unique = "heddle-pipeline-" + std::to_string(std::random_device{}());
  const fs::path folder = own ? fs::temp_directory_path() / unique : fs::path(argv[1]);
  const int64_t budget = (argc > 2 ? std::atoll(argv[2]) : 1) << 20;
  if (own) make_texts(folder);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!entry.is_directory()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());

  Meter meter;
  std::ostringstream output;
  const int unreadable = run(files, budget, output, meter);
  const std::string lines = output.str();
  std::printf("%.200s...\n", lines.c_str());
  std::printf("%zu files, %d of them unreadable\n", files.size(), unreadable);
  std::printf("at most %.2f MiB of text in memory, %.2f MiB allowed\n",
              double(meter.peak) / (1 << 20), double(budget) / (1 << 20));
  const bool same = lines == run_serially(files);
  std::printf("%s a serial pass\n", same ? "same lines as" : "DIFFERS from");
  if (own) fs::remove_all(folder);
  return same ? 0 : 1;
}
