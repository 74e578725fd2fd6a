// moodycamel::ConcurrentQueue with two producers and one consumer, all with tokens (its faster form), bounded by its own
// limit on how much one producer may have under way.
#include <concurrentqueue/concurrentqueue.h>

#include "threads.hpp"

constexpr std::size_t CAPACITY = 8'192;
constexpr int PRODUCERS = 2;
struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
  static const std::size_t MAX_SUBQUEUE_SIZE = CAPACITY / PRODUCERS;
};
using Queue = moodycamel::ConcurrentQueue<std::uint64_t, Traits>;

double per_item(std::uint64_t count) {
  Queue queue(CAPACITY, PRODUCERS, 0);
  return transfer(
      PRODUCERS, count,
      [&](int, std::uint64_t from, std::uint64_t to) {
        moodycamel::ProducerToken token(queue);
        Waiting waiting;
        for (auto i = from; i < to; i++) {
          while (!queue.enqueue(token, i)) waiting.wait();
          waiting.reset();
        }
      },
      [&](std::uint64_t n) {
        moodycamel::ConsumerToken token(queue);
        Waiting waiting;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < n; i++) {
          std::uint64_t item;
          while (!queue.try_dequeue(token, item)) waiting.wait();
          waiting.reset();
          sum += item;
        }
        return sum;
      });
}

template <std::size_t BATCH>
double batches(std::uint64_t count) {
  Queue queue(CAPACITY, PRODUCERS, 0);
  return transfer(
      PRODUCERS, count,
      [&](int, std::uint64_t from, std::uint64_t to) {
        moodycamel::ProducerToken token(queue);
        Waiting waiting;
        std::uint64_t batch[BATCH];
        for (auto i = from; i < to; i += BATCH) {
          // The share of a producer is a multiple of 256: no short batch at the end.
          for (std::size_t k = 0; k < BATCH; k++) batch[k] = i + k;
          while (!queue.enqueue_bulk(token, batch, BATCH)) waiting.wait();
          waiting.reset();
        }
      },
      [&](std::uint64_t n) {
        moodycamel::ConsumerToken token(queue);
        Waiting waiting;
        std::uint64_t batch[BATCH];
        std::uint64_t sum = 0;
        for (std::uint64_t taken = 0; taken < n;) {
          auto const popped = queue.try_dequeue_bulk(token, batch, BATCH);
          if (popped == 0) {
            waiting.wait();
            continue;
          }
          waiting.reset();
          taken += popped;
          for (std::size_t k = 0; k < popped; k++) sum += batch[k];
        }
        return sum;
      });
}

int main(int argc, char** argv) {
  Driver driver(argc, argv, "moodycamel-mpsc", "ConcurrentQueue " PEER_VERSION);
  driver.rate("mpsc-2p-8B-per-item", per_item);
  driver.rate("mpsc-2p-8B-batch-64", batches<64>);
  driver.rate("mpsc-2p-8B-batch-256", batches<256>);
}
