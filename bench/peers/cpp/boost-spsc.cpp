// boost::lockfree::spsc_queue, its capacity fixed at compile time (its faster form).
#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>

#include "threads.hpp"

constexpr std::size_t CAPACITY = 8'192;

// Eight words, all written by the producer and all read by the consumer; the words of a record add up to its number.
struct Record {
  std::uint64_t words[8];
};

inline void set(std::uint64_t& item, std::uint64_t number) { item = number; }
inline void set(Record& item, std::uint64_t number) {
  for (int i = 0; i < 7; i++) item.words[i] = number + static_cast<std::uint64_t>(i);
  item.words[7] = number - 7 * number - 21;
}
inline std::uint64_t total(std::uint64_t item) { return item; }
inline std::uint64_t total(Record const& item) {
  std::uint64_t sum = 0;
  for (auto word : item.words) sum += word;
  return sum;
}

template <class T>
using Ring = boost::lockfree::spsc_queue<T, boost::lockfree::capacity<CAPACITY>>;

double per_item(std::uint64_t count) {
  auto const ring = std::make_unique<Ring<std::uint64_t>>();
  return transfer(
      1, count,
      [&](int, std::uint64_t from, std::uint64_t to) {
        Waiting waiting;
        for (auto i = from; i < to; i++) {
          while (!ring->push(i)) waiting.wait();
          waiting.reset();
        }
      },
      [&](std::uint64_t n) {
        Waiting waiting;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < n; i++) {
          std::uint64_t item;
          while (!ring->pop(item)) waiting.wait();
          waiting.reset();
          sum += item;
        }
        return sum;
      });
}

template <class T, std::size_t BATCH>
double batches(std::uint64_t count) {
  auto const ring = std::make_unique<Ring<T>>();
  return transfer(
      1, count,
      [&](int, std::uint64_t from, std::uint64_t to) {
        Waiting waiting;
        T batch[BATCH];
        for (auto i = from; i < to; i += BATCH) {
          for (std::size_t k = 0; k < BATCH; k++) set(batch[k], i + k);
          for (std::size_t sent = 0; sent < BATCH;) {
            auto const pushed = ring->push(batch + sent, BATCH - sent);
            sent += pushed;
            if (pushed == 0) waiting.wait();
          }
          waiting.reset();
        }
      },
      [&](std::uint64_t n) {
        Waiting waiting;
        T batch[BATCH];
        std::uint64_t sum = 0;
        for (std::uint64_t taken = 0; taken < n;) {
          auto const popped = ring->pop(batch, BATCH);
          if (popped == 0) {
            waiting.wait();
            continue;
          }
          waiting.reset();
          taken += popped;
          for (std::size_t k = 0; k < popped; k++) sum += total(batch[k]);
        }
        return sum;
      });
}

double pairs(std::uint64_t count) {
  pin(0);
  auto const ring = std::make_unique<Ring<std::uint64_t>>();
  auto const start = Clock::now();
  std::uint64_t sum = 0;
  for (std::uint64_t i = 1; i <= count; i++) {
    std::uint64_t item = 0;
    bool const pushed = ring->push(i);
    keep(pushed);
    if (ring->pop(item)) sum += item;
  }
  double const took = seconds_since(start);
  verify(sum == count * (count + 1) / 2, "sum of the items popped");
  return took;
}

int main(int argc, char** argv) {
  Driver driver(argc, argv, "boost-spsc", "Boost " BOOST_LIB_VERSION);
  driver.rate("spsc-8B-per-item", per_item);
  driver.rate("spsc-8B-batch-64", batches<std::uint64_t, 64>);
  driver.rate("spsc-8B-batch-256", batches<std::uint64_t, 256>);
  driver.rate("spsc-64B-batch-64", batches<Record, 64>);
  driver.latency("roundtrip", [](std::uint64_t count, std::vector<std::uint32_t>& samples) {
    auto const there = std::make_unique<Ring<std::uint64_t>>();
    auto const back = std::make_unique<Ring<std::uint64_t>>();
    return round_trips(
        count, samples, [&](std::uint64_t item) { return there->push(item); },
        [&](std::uint64_t& item) { return there->pop(item); }, [&](std::uint64_t item) { return back->push(item); },
        [&](std::uint64_t& item) { return back->pop(item); });
  });
  // Last, for it pins the main thread.
  driver.rate("spsc-one-thread-pairs", pairs);
}
