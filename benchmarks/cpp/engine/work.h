// What the tasks of a workload do, and the proof that they did it in a right order.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "workloads.h"

namespace bench {

// There is one; it belongs to the workload that runs now. Set up only while no task runs.
struct Work {
  const Workload* workload = nullptr;
  int grain = 0;                 // length of a task's arithmetic; 0: tasks are empty
  bool checking = false;         // tasks combine what their variables hold
  std::vector<int64_t> runs;     // of each task
  std::vector<double> numbers;   // of each task: what the arithmetic works on
  std::vector<uint64_t> values;  // of each variable
};
extern Work the_work;

void set_work(const Workload& workload, int grain = 0);

void do_long_task(int task);

// The body of every task of every contender.
inline void do_task(int task) {
  if (the_work.checking || the_work.grain) do_long_task(task);
  ++the_work.runs[task];
}

// Ends the program unless every task has run `times` times since set_work.
void check_runs(int64_t times, const std::string& contender);

// Ends the program unless `run` runs each task once and leaves the values of the serial order.
template <class Run>
void check_order(const std::string& contender, const Run& run);

// The two halves of check_order.
void begin_check();
void end_check(const std::string& contender);

template <class Run>
void check_order(const std::string& contender, const Run& run) {
  begin_check();
  run();
  end_check(contender);
}

}  // namespace bench
