// moodycamel::ReaderWriterQueue, bounded by try_enqueue, which takes no memory beyond what it was created with.
#include <readerwriterqueue/readerwriterqueue.h>

#include "threads.hpp"

constexpr std::size_t CAPACITY = 8'192;
using Queue = moodycamel::ReaderWriterQueue<std::uint64_t>;

double per_item(std::uint64_t count) {
  Queue queue(CAPACITY);
  return transfer(
      1, count,
      [&](int, std::uint64_t from, std::uint64_t to) {
        Waiting waiting;
        for (auto i = from; i < to; i++) {
          while (!queue.try_enqueue(i)) waiting.wait();
          waiting.reset();
        }
      },
      [&](std::uint64_t n) {
        Waiting waiting;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < n; i++) {
          std::uint64_t item;
          while (!queue.try_dequeue(item)) waiting.wait();
          waiting.reset();
          sum += item;
        }
        return sum;
      });
}

double pairs(std::uint64_t count) {
  pin(0);
  Queue queue(CAPACITY);
  auto const start = Clock::now();
  std::uint64_t sum = 0;
  for (std::uint64_t i = 1; i <= count; i++) {
    std::uint64_t item = 0;
    bool const pushed = queue.try_enqueue(i);
    keep(pushed);
    if (queue.try_dequeue(item)) sum += item;
  }
  double const took = seconds_since(start);
  verify(sum == count * (count + 1) / 2, "sum of the items popped");
  return took;
}

int main(int argc, char** argv) {
  Driver driver(argc, argv, "moodycamel-spsc", "ReaderWriterQueue " PEER_VERSION);
  driver.rate("spsc-8B-per-item", per_item);
  driver.latency("roundtrip", [](std::uint64_t count, std::vector<std::uint32_t>& samples) {
    Queue there(CAPACITY);
    Queue back(CAPACITY);
    return round_trips(
        count, samples, [&](std::uint64_t item) { return there.try_enqueue(item); },
        [&](std::uint64_t& item) { return there.try_dequeue(item); },
        [&](std::uint64_t item) { return back.try_enqueue(item); },
        [&](std::uint64_t& item) { return back.try_dequeue(item); });
  });
  // Last, for it pins the main thread.
  driver.rate("spsc-one-thread-pairs", pairs);
}
