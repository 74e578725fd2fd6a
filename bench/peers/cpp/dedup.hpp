// A set of 128-bit ids as a deduplicator uses it: a million ids are live.
//
//   dedup-fill-1M     an empty set, reserved for a million, gets a million new ids
//   dedup-insert-1M   a million are live: each step inserts a new id and erases the oldest, so the window moves on
//   dedup-hit-1M      a million are live: each step asks insert-or-find for one of them at random, and finds it
//
// Ids come from their number by a mixer, about a nanosecond each, so that no table of ids competes for the cache.
#pragma once

#include "threads.hpp"

struct Id {
  std::uint64_t low;
  std::uint64_t high;
  bool operator==(Id const& other) const { return low == other.low && high == other.high; }
};

// The same hash for every set: both halves through one 128-bit product. All 64 bits of the result are usable, and sets
// that want to know are told so (`is_avalanching` spares boost a second mixing).
struct IdHash {
  using is_avalanching = void;
  std::size_t operator()(Id const& id) const {
    __extension__ using Wide = unsigned __int128;
    Wide const product = static_cast<Wide>(id.low ^ 0x9e3779b97f4a7c15) * (id.high ^ 0xd1b54a32d192ed03);
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
  }
};

// Stafford's thirteenth variant of the 64-bit finalizer, the mixer of SplitMix64.
inline std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
inline Id id_of(std::uint64_t number) { return {mix(2 * number + 1), mix(2 * number + 2)}; }

constexpr std::uint64_t LIVE = 1'000'000;

template <class Set>
std::unique_ptr<Set> filled() {
  auto set = std::make_unique<Set>();
  set->reserve(LIVE + 1);
  for (std::uint64_t i = 0; i < LIVE; i++) set->insert(id_of(i));
  return set;
}

// Whole fills only: the count is rounded up, and the time scaled down to what was asked.
template <class Set>
double fill(std::uint64_t count) {
  pin(0);
  std::uint64_t const rounds = (count + LIVE - 1) / LIVE;
  double took = 0;
  for (std::uint64_t round = 0; round < rounds; round++) {
    Set set;
    set.reserve(LIVE + 1);
    auto const start = Clock::now();
    std::uint64_t fresh = 0;
    for (std::uint64_t i = 0; i < LIVE; i++) fresh += set.insert(id_of(i)).second ? 1 : 0;
    took += seconds_since(start);
    verify(fresh == LIVE && set.size() == LIVE, "ids inserted");
  }
  return took * static_cast<double>(count) / static_cast<double>(rounds * LIVE);
}

template <class Set>
double insert(std::uint64_t count) {
  pin(0);
  auto const set = filled<Set>();
  auto const start = Clock::now();
  std::uint64_t fresh = 0;
  std::uint64_t erased = 0;
  for (std::uint64_t i = 0; i < count; i++) {
    fresh += set->insert(id_of(LIVE + i)).second ? 1 : 0;
    erased += set->erase(id_of(i));
  }
  double const took = seconds_since(start);
  verify(fresh == count && erased == count && set->size() == LIVE, "ids inserted and erased");
  return took;
}

template <class Set>
double hit(std::uint64_t count) {
  pin(0);
  auto const set = filled<Set>();
  auto const start = Clock::now();
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < count; i++) {
    auto const number = (mix(i) >> 32) * LIVE >> 32;
    found += set->insert(id_of(number)).second ? 0 : 1;
  }
  double const took = seconds_since(start);
  verify(found == count && set->size() == LIVE, "ids found");
  return took;
}

template <class Set>
int run_dedup(int argc, char** argv, const char* peer, std::string version) {
  Driver driver(argc, argv, peer, std::move(version));
  driver.rate("dedup-fill-1M", fill<Set>);
  driver.rate("dedup-insert-1M", insert<Set>);
  driver.rate("dedup-hit-1M", hit<Set>);
  return 0;
}
