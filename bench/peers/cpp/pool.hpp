// Blocks of 64 bytes, taken and returned by one thread, which writes a word into each and reads it back.
//
//   pool-pairs     takes a block and returns it, again and again: always the same block
//   pool-64-held   takes 64, then returns them in the order they were taken; a pair is still one taken and one returned
#pragma once

#include "threads.hpp"

struct Block {
  std::uint64_t words[8];
};

constexpr std::size_t POOL_BLOCKS = 1'024;

// `acquire()` → Block*, `release(Block*)`. HELD divides COUNT_UNIT.
template <std::size_t HELD, class Acquire, class Release>
double pool_pairs(std::uint64_t count, Acquire acquire, Release release) {
  pin(0);
  auto const start = Clock::now();
  std::uint64_t sum = 0;
  Block* held[HELD];
  for (std::uint64_t i = 1; i <= count; i += HELD) {
    for (std::size_t k = 0; k < HELD; k++) {
      held[k] = acquire();
      held[k]->words[7] = i + k;
      keep(held[k]);
    }
    for (std::size_t k = 0; k < HELD; k++) {
      sum += held[k]->words[7];
      release(held[k]);
      keep(held[k]);
    }
  }
  double const took = seconds_since(start);
  verify(sum == count * (count + 1) / 2, "sum of what lay in the blocks");
  return took;
}

// `Pool` has acquire and release; a new one for each run.
template <class Pool>
int run_pool(int argc, char** argv, const char* peer, const char* version) {
  Driver driver(argc, argv, peer, version);
  auto const with = [](std::uint64_t count, auto measure) {
    auto const pool = std::make_unique<Pool>();
    return measure(
        count, [&] { return pool->acquire(); }, [&](Block* block) { pool->release(block); });
  };
  driver.rate("pool-pairs", [&](std::uint64_t count) {
    return with(count, [](auto... args) { return pool_pairs<1>(args...); });
  });
  driver.rate("pool-64-held", [&](std::uint64_t count) {
    return with(count, [](auto... args) { return pool_pairs<64>(args...); });
  });
  return 0;
}
