// The engine beside its peers: bench_engine [--rounds N] [--only dynamic|replay|wait|metg]
// [--workers N] [--mxnet libmxnet.so] [--markdown] [--json FILE]. docs/performance.md says what the
// figures mean.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "backend.h"
#include "measure.h"
#include "metg.h"
#include "table.h"

namespace bench {

struct Options {
  int rounds = 15;
  int workers = 0;
  bool markdown = false;
  std::string only, json, mxnet;
};

Options parse(int argc, char** argv) {
  Options o;
  auto usage = [&] {
    std::fprintf(stderr,
                 "usage: %s [--rounds N] [--only dynamic|replay|wait|metg] [--workers N] "
                 "[--mxnet libmxnet.so] [--markdown] [--json FILE]\n",
                 argv[0]);
    std::exit(2);
  };
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--markdown") {
      o.markdown = true;
      continue;
    }
    const char* const value = i + 1 < argc ? argv[++i] : nullptr;
    if (!value) usage();
    if (name == "--rounds") o.rounds = std::max(1, std::atoi(value));
    else if (name == "--workers") o.workers = std::atoi(value);
    else if (name == "--only") o.only = value;
    else if (name == "--json") o.json = value;
    else if (name == "--mxnet") o.mxnet = value;
    else usage();
  }
  const char* const sections[] = {"", "dynamic", "replay", "wait", "metg"};
  if (std::find(std::begin(sections), std::end(sections), o.only) == std::end(sections)) usage();
  return o;
}

Contenders all_contenders(const Options& o) {
  Contenders all;
  add_heddle(all, o.workers);
#ifdef HEDDLE_BENCH_TBB
  add_tbb(all);
#else
  std::printf("without oneTBB: set HEDDLE_BENCH_TBB to where PyPI's tbb-devel 2023 is installed\n");
#endif
#ifdef HEDDLE_BENCH_OPENMP
  add_openmp(all);
#else
  std::printf("without libgomp: the compiler knows no OpenMP\n");
#endif
#ifdef HEDDLE_BENCH_TASKFLOW
  add_taskflow(all);
#else
  std::printf("without Taskflow: set HEDDLE_TASKFLOW_DIR to the folder of its headers\n");
#endif
  if (o.mxnet.empty()) std::printf("without MXNet: --mxnet names its libmxnet.so\n");
  else add_mxnet(all, o.mxnet);
  return all;
}

std::vector<Contender*> of(Contenders& all, Kind kind) {
  std::vector<Contender*> some;
  for (Contender& c : all)
    if (c.kind == kind) some.push_back(&c);
  return some;
}

// Those that are really parallel: all but our tasks that may run on the thread that pushes them.
std::vector<Contender*> parallel(std::vector<Contender*> some) {
  std::erase_if(some, [](const Contender* c) { return c->ours && !c->name.starts_with("queued"); });
  return some;
}

std::vector<Figure> per_task(std::vector<Figure> figures, double scale) {
  for (Figure& f : figures) f = {.median = f.median * scale, .best = f.best * scale};
  return figures;
}

Table times_of_workloads(const std::vector<Contender*>& contenders, const char* title, int rounds) {
  Table table(title, "ns/task", contenders);
  for (const Workload& w : workloads())
    table.add(w.name, per_task(race(contenders, w, 0, rounds, true), 1e9 / w.size()),
              Table::kFirstBesideAll);
  table.add_means();
  return table;
}

Table times_of_waits(const std::vector<Contender*>& contenders, int rounds) {
  Table table("push and wait", "ns/task", contenders);
  const Workload w = chain(2000);
  table.add("one task", per_task(race(contenders, w, 0, rounds, true), 1e9 / w.size()),
            Table::kAllBesideAll);
  return table;
}

Table efficient_grains(const std::vector<Contender*>& contenders, const char* title, int rounds) {
  Table table(title, "us/task", contenders);
  for (int width : {4, 2})
    table.add("width " + std::to_string(width),
              per_task(metg(contenders, width, 0.75, rounds), 1e6), Table::kAllBesideAll);
  return table;
}

void write_json(const std::vector<Table>& tables, const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (!file) {
    std::fprintf(stderr, "bench_engine: cannot write %s\n", path.c_str());
    std::exit(1);
  }
  bool first = true;
  std::fprintf(file, "[");
  for (const Table& t : tables) t.write_json(file, first);
  std::fprintf(file, "\n]\n");
  std::fclose(file);
}

void run(const Options& o) {
  keep_to_few_processors();
  Contenders all = all_contenders(o);
  auto wanted = [&](const char* section) { return o.only.empty() || o.only == section; };
  std::vector<Table> tables;
  if (wanted("dynamic"))
    tables.push_back(times_of_workloads(of(all, Kind::kDynamic), "push, run, wait", o.rounds));
  if (wanted("replay"))
    tables.push_back(times_of_workloads(of(all, Kind::kReplay), "replay of a graph", o.rounds));
  if (wanted("wait")) tables.push_back(times_of_waits(of(all, Kind::kPushAndWait), o.rounds));
  if (wanted("metg")) {
    auto add = [&](Kind kind, const char* title) {
      tables.push_back(efficient_grains(parallel(of(all, kind)), title, o.rounds));
    };
    add(Kind::kDynamic, "METG(75%), pushed");
    add(Kind::kReplay, "METG(75%), replayed");
  }
  if (disturbed_turns())
    std::printf("\n%d turns began while threads of others were awake\n", disturbed_turns());
  if (o.markdown)
    for (const Table& t : tables) t.write_markdown(stdout);
  if (!o.json.empty()) write_json(tables, o.json);
}

}  // namespace bench

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
#ifdef HEDDLE_BENCH_OPENMP
  bench::choose_openmp_policy(argv);
#endif
  bench::run(options);
}
