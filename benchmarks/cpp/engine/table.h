// Results: one line per case beside a peer, the same as JSON, and tables for docs/performance.md.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "backend.h"
#include "measure.h"

namespace bench {

// A column for each contender, a row for each workload. Figures are times: less is better.
class Table {
 public:
  Table(std::string title, std::string unit, const std::vector<Contender*>& contenders);

  // Which lines are printed: our first column beside every peer and our others beside the best, or
  // each beside every peer.
  enum Lines { kFirstBesideAll, kAllBesideAll };
  void add(const std::string& name, const std::vector<Figure>& figures, Lines lines);
  void add_means();  // the geometric means of all rows so far

  void write_markdown(std::FILE* file) const;
  // Every one of our columns beside every peer.
  void write_json(std::FILE* file, bool& first) const;

 private:
  struct Column {
    std::string name;
    bool ours;
  };
  struct Row {
    std::string name;
    std::vector<Figure> figures;
  };
  void print_line(const Row& row, size_t ours, size_t peer) const;
  std::string case_of(const Row& row, size_t ours) const;
  size_t best_peer(const Row& row) const;
  bool has_peers() const;

  std::string title_, unit_;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace bench
