// Pinned threads that start together, and how they wait. The consumer has the second CPU that the process may use, the
// first producer the first; a second producer has the third, or shares the first where there are only two.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <memory>
#include <thread>
#include <type_traits>

#include "measure.hpp"

inline void pin(std::size_t wanted) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  verify(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "CPUs of the process");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  // One CPU: all share it. Two: the consumer (1) has the second to itself.
  std::size_t const at = wanted < cpus.size() ? wanted : 0;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpus[at], &one);
  verify(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0, "pinning");
}

constexpr std::size_t CONSUMER_CPU = 1;
constexpr std::size_t producer_cpu(std::size_t producer) { return producer == 0 ? 0 : producer + 1; }

// Spins with `pause`; after a thousand rounds the other side may need this CPU, and it yields.
class Waiting {
 public:
  void wait() {
    if (++rounds_ < 1'000) return _mm_pause();
    rounds_ = 0;
    sched_yield();
  }
  void reset() { rounds_ = 0; }

 private:
  int rounds_ = 0;
};

// Lets nobody go on until all have come.
class StartLine {
 public:
  explicit StartLine(int threads) : missing_(threads) {}
  void arrive() {
    missing_.fetch_sub(1);
    Waiting waiting;
    while (missing_.load() > 0) waiting.wait();
  }

 private:
  std::atomic<int> missing_;
};

// `producers` threads send the numbers 1 … count between them: `produce(producer, from, to)` sends from … to − 1 and
// `consume(count)` returns the sum of what it took. Returns the seconds from the common start to the last item's arrival.
template <class Produce, class Consume>
double transfer(int producers, std::uint64_t count, Produce produce, Consume consume) {
  StartLine line(producers + 1);
  double took = 0;
  std::uint64_t sum = 0;
  std::vector<std::thread> threads;
  std::uint64_t const share = count / static_cast<std::uint64_t>(producers);
  for (int p = 0; p < producers; p++) {
    threads.emplace_back([&, p] {
      pin(producer_cpu(static_cast<std::size_t>(p)));
      line.arrive();
      auto const from = 1 + share * static_cast<std::uint64_t>(p);
      produce(p, from, from + share);
    });
  }
  threads.emplace_back([&] {
    pin(CONSUMER_CPU);
    line.arrive();
    auto const start = Clock::now();
    sum = consume(count);
    took = seconds_since(start);
  });
  for (auto& thread : threads) thread.join();
  verify(sum == count * (count + 1) / 2, "sum of the items received");
  return took;
}

// Sends `count` numbers to an echoing thread and back, one at a time; `send_*` and `take_*` answer false when full or empty.
template <class SendThere, class TakeThere, class SendBack, class TakeBack>
double round_trips(std::uint64_t count, std::vector<std::uint32_t>& samples, SendThere send_there, TakeThere take_there,
                   SendBack send_back, TakeBack take_back) {
  samples.resize(count);
  StartLine line(2);
  double took = 0;
  std::thread echo([&] {
    pin(CONSUMER_CPU);
    line.arrive();
    for (std::uint64_t i = 0; i < count; i++) {
      std::uint64_t item = 0;
      Waiting waiting;
      while (!take_there(item)) waiting.wait();
      while (!send_back(item)) waiting.wait();
    }
  });
  std::thread asking([&] {
    pin(producer_cpu(0));
    line.arrive();
    auto const start = Clock::now();
    for (std::uint64_t i = 0; i < count; i++) {
      auto const sent = Clock::now();
      std::uint64_t item = 0;
      Waiting waiting;
      while (!send_there(i)) waiting.wait();
      while (!take_back(item)) waiting.wait();
      samples[i] = static_cast<std::uint32_t>(std::chrono::nanoseconds(Clock::now() - sent).count());
      verify(item == i, "item that came back");
    }
    took = seconds_since(start);
  });
  echo.join();
  asking.join();
  return took;
}
