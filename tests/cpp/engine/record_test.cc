// The records of what is on its way: what is used together lies together.
#include <gtest/gtest.h>

#include "engine/task/running.h"

namespace heddle::engine {

size_t line_of(const Running& r, const void* field) {
  return static_cast<size_t>(static_cast<const char*>(field) - reinterpret_cast<const char*>(&r)) /
         64;
}

TEST(Records, HoldWhatRunningANodeNeedsInTwoLines) {
  const RunningNode node;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&node) % 64, 0u);
  for (const void* field :
       {static_cast<const void*>(&node.kind), static_cast<const void*>(&node.stage),
        static_cast<const void*>(&node.next), static_cast<const void*>(&node.engine),
        static_cast<const void*>(&node.rich), static_cast<const void*>(&node.priority),
        static_cast<const void*>(&node.missing), static_cast<const void*>(&node.group),
        static_cast<const void*>(&node.outer)})
    EXPECT_EQ(line_of(node, field), 0u);
  for (const void* field :
       {static_cast<const void*>(&node.body), static_cast<const void*>(&node.run),
        static_cast<const void*>(&node.device), static_cast<const void*>(&node.failure),
        static_cast<const void*>(&node.event), static_cast<const void*>(&node.bytes)})
    EXPECT_EQ(line_of(node, field), 1u);
  EXPECT_EQ(line_of(node, &node.start), 2u);
  EXPECT_EQ(sizeof node, 256u);
}

TEST(Records, HoldWhatRunningATaskNeedsInFourLinesMore) {
  const RunningTask task;
  const size_t first = line_of(task, &task.own);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&task.own) % 64, 0u);
  for (const void* field :
       {static_cast<const void*>(&task.name), static_cast<const void*>(&task.place),
        static_cast<const void*>(&task.lane), static_cast<const void*>(&task.few[0])})
    EXPECT_LT(line_of(task, field), first + 4);
  EXPECT_LE(line_of(task, reinterpret_cast<const char*>(&task.few[4]) - 1), first + 3);
  EXPECT_EQ(line_of(task, &task.own_start), first + 4);
}

TEST(Records, AreWhatTheirKindSays) {
  RunningTask task;
  RunningGraph graph;
  Waiter waiter;
  for (Running* r : {static_cast<Running*>(&task), static_cast<Running*>(&graph),
                     static_cast<Running*>(&waiter)}) {
    EXPECT_EQ(as<RunningTask>(r), r == &task ? &task : nullptr);
    EXPECT_EQ(as<RunningGraph>(r), r == &graph ? &graph : nullptr);
    EXPECT_EQ(as<Waiter>(r), r == &waiter ? &waiter : nullptr);
    EXPECT_EQ(as<RunningNode>(r), nullptr);
  }
}

TEST(Records, KeepTheirRequestsWhereThereIsRoom) {
  RunningTask task;
  task.set_count(4);
  EXPECT_EQ(task.requests, task.few);
  task.set_count(9);
  EXPECT_EQ(task.requests, task.many.data());
  EXPECT_GE(task.many.size(), 9u);
  task.set_count(2);
  EXPECT_EQ(task.requests, task.few);
  EXPECT_EQ(task.count, 2);
}

TEST(Records, LeaveAListInTheOrderInWhichTheyCame) {
  RunningTask a, b;
  RunningNode n;
  Waiter w;
  ReadyList list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.take(), nullptr);
  for (int round = 0; round < 2; ++round) {
    for (Running* r : {static_cast<Running*>(&a), static_cast<Running*>(&n),
                       static_cast<Running*>(&w), static_cast<Running*>(&b)})
      list.add(r);
    for (Running* r : {static_cast<Running*>(&a), static_cast<Running*>(&n),
                       static_cast<Running*>(&w), static_cast<Running*>(&b)}) {
      EXPECT_EQ(list.take(), r);
    }
    EXPECT_TRUE(list.empty());
  }
}

}  // namespace heddle::engine
