// Writes results.
#include "table.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bench {

Table::Table(std::string title, std::string unit, const std::vector<Contender*>& contenders)
    : title_(std::move(title)), unit_(std::move(unit)) {
  for (const Contender* c : contenders) columns_.push_back({c->name, c->ours});
  std::printf("\n== %s, %s: median (best)\n", title_.c_str(), unit_.c_str());
}

bool Table::has_peers() const {
  return std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return !c.ours; });
}

size_t Table::best_peer(const Row& row) const {
  size_t best = columns_.size();
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].ours) continue;
    if (best == columns_.size() || row.figures[i].median < row.figures[best].median) best = i;
  }
  return best;
}

std::string Table::case_of(const Row& row, size_t ours) const {
  return title_ + ", " + row.name + ", " + columns_[ours].name;
}

// Two digits after the point; a dash for what was never reached.
std::string number(double x) {
  char text[32] = "-";
  if (std::isfinite(x)) std::snprintf(text, sizeof text, "%.2f", x);
  return text;
}

void Table::print_line(const Row& row, size_t ours, size_t peer) const {
  auto print = [&](size_t column) {
    const Figure& f = row.figures[column];
    std::printf("  %-17s %9s (%9s)", columns_[column].name.c_str(), number(f.median).c_str(),
                number(f.best).c_str());
  };
  std::printf("%-16s", row.name.c_str());
  print(ours);
  if (peer < columns_.size()) {
    print(peer);
    const double ratio = row.figures[peer].median / row.figures[ours].median;
    std::printf("  %7sx", number(ratio).c_str());
  }
  std::printf("\n");
}

void Table::add(const std::string& name, const std::vector<Figure>& figures, Lines lines) {
  const Row& row = rows_.emplace_back(Row{name, figures});
  bool all = true;
  for (size_t ours = 0; ours < columns_.size(); ++ours) {
    if (!columns_[ours].ours) continue;
    if (all && has_peers()) {
      for (size_t peer = 0; peer < columns_.size(); ++peer)
        if (!columns_[peer].ours) print_line(row, ours, peer);
    } else {
      print_line(row, ours, best_peer(row));
    }
    all = lines == kAllBesideAll;
  }
  std::fflush(stdout);
}

void Table::add_means() {
  std::vector<Figure> means;
  for (size_t i = 0; i < columns_.size(); ++i) {
    double median = 0, best = 0;
    for (const Row& row : rows_) {
      median += std::log(row.figures[i].median);
      best += std::log(row.figures[i].best);
    }
    const double n = static_cast<double>(rows_.size());
    means.push_back({.median = std::exp(median / n), .best = std::exp(best / n)});
  }
  add("geometric mean", means, kAllBesideAll);
}

// Three digits that count.
std::string short_number(double x) {
  char text[32] = "-";
  if (std::isfinite(x))
    std::snprintf(text, sizeof text, "%.*f", x < 1 ? 3 : x < 10 ? 2 : x < 100 ? 1 : 0, x);
  return text;
}

void Table::write_markdown(std::FILE* file) const {
  std::fprintf(file, "\n%s, %s:\n\n| |", title_.c_str(), unit_.c_str());
  for (const Column& c : columns_)
    std::fprintf(file, " %s%s |", c.ours ? "heddle, " : "", c.name.c_str());
  std::fprintf(file, "\n|---|");
  for (size_t i = 0; i < columns_.size(); ++i) std::fprintf(file, "--:|");
  for (const Row& row : rows_) {
    std::fprintf(file, "\n| %s |", row.name.c_str());
    const double ours = row.figures[0].median;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const double x = row.figures[i].median;
      std::fprintf(file, " %s", short_number(x).c_str());
      if (!columns_[i].ours) std::fprintf(file, " (%sx)", short_number(x / ours).c_str());
      std::fprintf(file, " |");
    }
  }
  std::fprintf(file, "\n");
}

// JSON knows no infinity.
void write_number(std::FILE* file, const char* key, double x) {
  if (std::isfinite(x)) std::fprintf(file, "\"%s\": %.6g, ", key, x);
  else std::fprintf(file, "\"%s\": null, ", key);
}

void Table::write_json(std::FILE* file, bool& first) const {
  for (const Row& row : rows_)
    for (size_t ours = 0; ours < columns_.size(); ++ours)
      for (size_t peer = 0; peer < columns_.size(); ++peer) {
        if (!columns_[ours].ours || columns_[peer].ours) continue;
        const double us = row.figures[ours].median, them = row.figures[peer].median;
        std::fprintf(file, "%s\n {\"case\": \"%s\", \"unit\": \"%s\", ", first ? "" : ",",
                     case_of(row, ours).c_str(), unit_.c_str());
        write_number(file, "ours", us);
        write_number(file, "peer", them);
        write_number(file, "ratio", them / us);
        std::fprintf(file, "\"peer_name\": \"%s\"}", columns_[peer].name.c_str());
        first = false;
      }
}

}  // namespace bench
