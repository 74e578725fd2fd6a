// What every C++ driver shares: its options, how a case is warmed up and repeated, and the JSON line it prints.
//
// A case is a function that does `count` items and returns the seconds they took; it ends the process if what arrived is
// not what was sent. The count is found by doubling until a run takes a tenth of the asked time (that is the warm-up),
// and then fixed, so that all runs of a case do the same work.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Ends the driver when a result is wrong: a figure for work that was not done must never be printed.
inline void verify(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::exit(1);
}

// The compiler must take `value` as read and all memory as changed.
template <class T>
inline void keep(T const& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// Counts are multiples of this, so that two producers and batches of 256 come out even.
constexpr std::uint64_t COUNT_UNIT = 512;

class Driver {
 public:
  Driver(int argc, char** argv, std::string peer, std::string version)
      : peer_(std::move(peer)), version_(std::move(version)) {
    for (int i = 1; i + 1 < argc; i += 2) {
      if (std::strcmp(argv[i], "--runs") == 0) runs_ = std::max(1, std::atoi(argv[i + 1]));
      if (std::strcmp(argv[i], "--seconds") == 0) seconds_ = std::max(0.01, std::atof(argv[i + 1]));
      if (std::strcmp(argv[i], "--case") == 0) only_ = argv[i + 1];
    }
  }

  // `transfer(count)` → seconds.
  template <class Transfer>
  void rate(const char* name, Transfer transfer) {
    if (!wanted(name)) return;
    std::uint64_t const count = calibrate(transfer);
    std::vector<double> runs;
    for (int run = 0; run < runs_; run++) runs.push_back(static_cast<double>(count) / transfer(count));
    print(name, "items/s", nullptr, runs);
  }

  // `trips(count, samples)` → seconds; each sample is one round trip in nanoseconds.
  template <class Trips>
  void latency(const char* name, Trips trips) {
    if (!wanted(name)) return;
    std::vector<std::uint32_t> samples;
    std::uint64_t const count = calibrate([&](std::uint64_t n) { return trips(n, samples); });
    constexpr double QUANTILES[] = {0.5, 0.99, 0.999};
    std::vector<double> runs[3];
    for (int run = 0; run < runs_; run++) {
      trips(count, samples);
      std::sort(samples.begin(), samples.end());
      for (int q = 0; q < 3; q++) {
        auto const at = static_cast<std::size_t>(QUANTILES[q] * static_cast<double>(samples.size()));
        runs[q].push_back(samples[std::min(at, samples.size() - 1)]);
      }
    }
    constexpr const char* NAMES[] = {"p50", "p99", "p99.9"};
    for (int q = 0; q < 3; q++) print(name, "ns", NAMES[q], runs[q]);
  }

 private:
  bool wanted(const char* name) const { return only_.empty() || only_ == name; }

  template <class Transfer>
  std::uint64_t calibrate(Transfer transfer) const {
    for (std::uint64_t count = COUNT_UNIT;; count *= 2) {
      double const took = transfer(count);
      if (took < seconds_ / 10) continue;
      auto const units = static_cast<std::uint64_t>(static_cast<double>(count) * seconds_ / took) / COUNT_UNIT;
      return std::max<std::uint64_t>(1, units) * COUNT_UNIT;
    }
  }

  void print(const char* name, const char* unit, const char* quantile, std::vector<double> const& runs) const {
    std::vector<double> sorted = runs;
    std::sort(sorted.begin(), sorted.end());
    std::printf("{\"peer\":\"%s\",\"version\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",", peer_.c_str(), version_.c_str(),
                name, unit);
    if (quantile != nullptr) std::printf("\"quantile\":\"%s\",", quantile);
    std::printf("\"value\":%.1f,\"runs\":[", sorted[sorted.size() / 2]);
    for (std::size_t i = 0; i < runs.size(); i++) std::printf("%s%.1f", i == 0 ? "" : ",", runs[i]);
    std::printf("]}\n");
    std::fflush(stdout);
  }

  std::string peer_;
  std::string version_;
  std::string only_;
  int runs_ = 5;
  double seconds_ = 1;
};
