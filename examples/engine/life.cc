// Conway's Game of Life on a torus, cut into blocks: no step of the whole board, no barrier.
//
//   life [STEPS [PICTURE.pgm]]
//
// There are two boards, and one variable per block of each. A step of a block reads the block and
// its eight neighbours on one board and writes it on the other; that is all the engine is told.
// Blocks run ahead of each other as far as their neighbours allow, and in parallel.
#include <heddle/engine.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <utility>
#include <vector>

using heddle::Access, heddle::Engine, heddle::RunContext, heddle::Task, heddle::TaskRef,
    heddle::Use, heddle::Var;

constexpr int kSide = 1024, kBlock = 128, kBlocks = kSide / kBlock;
using Board = std::vector<uint8_t>;  // 1: alive; row after row

constexpr int around(int i, int size) { return (i + size) % size; }

// One generation of one block.
void step(const Board& from, Board& to, int block_row, int block_column) {
  const int left = block_column * kBlock;
  for (int row = block_row * kBlock; row < (block_row + 1) * kBlock; ++row) {
    const uint8_t* above = &from[around(row - 1, kSide) * kSide];
    const uint8_t* here = &from[row * kSide];
    const uint8_t* below = &from[around(row + 1, kSide) * kSide];
    uint8_t sum[kBlock + 2];  // of three cells, one above the other
    const auto three = [&](int x) { return uint8_t(above[x] + here[x] + below[x]); };
    sum[0] = three(around(left - 1, kSide));
    for (int x = 0; x < kBlock; ++x) sum[x + 1] = three(left + x);
    sum[kBlock + 1] = three(around(left + kBlock, kSide));
    uint8_t* next = &to[row * kSide + left];
    for (int x = 0; x < kBlock; ++x) {
      const int alive = sum[x] + sum[x + 1] + sum[x + 2];  // of nine, the cell among them
      next[x] = uint8_t((alive == 3) | ((alive == 4) & here[left + x]));
    }
  }
}

void run_serially(Board (&boards)[2], int steps) {
  for (int s = 0; s < steps; ++s)
    for (int b = 0; b < kBlocks * kBlocks; ++b)
      step(boards[s % 2], boards[1 - s % 2], b / kBlocks, b % kBlocks);
}

void run(Engine& engine, Board (&boards)[2], int steps) {
  std::vector<Var> vars[2];
  for (auto& board : vars)
    for (int b = 0; b < kBlocks * kBlocks; ++b) board.push_back(Var::make());

  // Each block's step is pushed many times, so it is prepared once: from board 0 to 1, from 1 to 0.
  std::vector<TaskRef> tasks[2];
  for (int from : {0, 1})
    for (int r = 0; r < kBlocks; ++r)
      for (int c = 0; c < kBlocks; ++c) {
        std::vector<Use> uses = {{vars[1 - from][r * kBlocks + c], Access::kOverwrite}};
        for (int dr : {-1, 0, 1})
          for (int dc : {-1, 0, 1})
            uses.push_back(
                {vars[from][around(r + dr, kBlocks) * kBlocks + around(c + dc, kBlocks)]});
        auto body = [&boards, from, r, c](RunContext&) {
          step(boards[from], boards[1 - from], r, c);
        };
        tasks[from].push_back(
            engine.prepare(Task{.name = "life", .run = body, .uses = std::move(uses)}));
      }

  for (int s = 0; s < steps; ++s)
    for (const TaskRef& task : tasks[s % 2]) engine.push(task);
  engine.wait_all();
}

Board soup() {
  std::mt19937 random(7);
  Board board(kSide * kSide);
  for (uint8_t& cell : board) cell = random() % 4 == 0;
  return board;
}

double seconds() {
  using std::chrono::duration;
  return duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void draw_corner(const Board& board) {
  for (int row = 0; row < 16; ++row) {
    for (int x = 0; x < 64; ++x) std::putchar(board[row * kSide + x] ? '#' : '.');
    std::putchar('\n');
  }
}

void write_picture(const Board& board, const char* path) {
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << kSide << ' ' << kSide << "\n1\n";
  file.write(reinterpret_cast<const char*>(board.data()), std::ssize(board));
}

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 500;
  Board alone[2] = {soup(), Board(kSide * kSide)}, together[2] = {soup(), Board(kSide * kSide)};
  Engine& engine = Engine::get();

  const double begin = seconds();
  run_serially(alone, steps);
  const double middle = seconds();
  run(engine, together, steps);
  const double end = seconds();

  const Board& last = together[steps % 2];
  draw_corner(last);
  if (argc > 2) write_picture(last, argv[2]);
  const double cells = double(kSide) * kSide * steps;
  std::printf("%d steps of %d x %d cells in %d blocks\n", steps, kSide, kSide, kBlocks * kBlocks);
  std::printf("one thread: %.2f billion cells/s; engine: %.2f billion cells/s, %d workers\n",
              cells / (middle - begin) / 1e9, cells / (end - middle) / 1e9, engine.workers());
  const bool same = last == alone[steps % 2];
  std::printf("%s a serial run\n", same ? "same board as" : "DIFFERS from");
  return same ? 0 : 1;
}
