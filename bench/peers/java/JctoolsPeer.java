import java.util.Queue;
import org.jctools.queues.MessagePassingQueue;
import org.jctools.queues.MpscArrayQueue;
import org.jctools.queues.SpscArrayQueue;

/**
 * JCTools: queues of references. The items are Longs made beforehand, so that no run pays for allocation; number i is sent
 * as ITEMS[i mod 8192], and the consumer adds the part that the remainder left out.
 */
final class JctoolsPeer {
  private static final int MASK = 8_191;
  private static final Long[] ITEMS = new Long[MASK + 1];

  static {
    for (int i = 0; i <= MASK; i++) ITEMS[i] = Long.valueOf(i);
  }

  /** What the numbers 1 … count lose by the remainder: 8192 for each whole lap below each of them. */
  private static long lost(long count) {
    long laps = count >> 13;
    long rest = count & MASK;
    return ((laps * (laps - 1) / 2 << 13) + laps * (rest + 1)) << 13;
  }

  private static double perItem(Queue<Long> queue, int producers, long count) throws Exception {
    return Measure.transfer(
        producers,
        count,
        (producer, from, to) -> {
          int rounds = 0;
          for (long i = from; i < to; i++) {
            while (!queue.offer(ITEMS[(int) i & MASK])) rounds = Measure.idle(rounds);
            rounds = 0;
          }
        },
        expected -> {
          long sum = 0;
          int rounds = 0;
          for (long i = 0; i < expected; i++) {
            Long item;
            while ((item = queue.poll()) == null) rounds = Measure.idle(rounds);
            rounds = 0;
            sum += item;
          }
          return sum + lost(expected);
        });
  }

  private static double batches(MessagePassingQueue<Long> queue, int batch, int producers, long count) throws Exception {
    return Measure.transfer(
        producers,
        count,
        (producer, from, to) -> {
          Numbers numbers = new Numbers(from);
          int rounds = 0;
          while (numbers.next < to) {
            int sent = queue.fill(numbers, (int) Math.min(batch, to - numbers.next));
            rounds = sent == 0 ? Measure.idle(rounds) : 0;
          }
        },
        expected -> {
          Summing summing = new Summing();
          int rounds = 0;
          for (long taken = 0; taken < expected; ) {
            int drained = queue.drain(summing, batch);
            taken += drained;
            rounds = drained == 0 ? Measure.idle(rounds) : 0;
          }
          return summing.sum + lost(expected);
        });
  }

  private static final class Numbers implements MessagePassingQueue.Supplier<Long> {
    private long next;

    Numbers(long from) {
      next = from;
    }

    @Override
    public Long get() {
      return ITEMS[(int) next++ & MASK];
    }
  }

  private static final class Summing implements MessagePassingQueue.Consumer<Long> {
    private long sum;

    @Override
    public void accept(Long item) {
      sum += item;
    }
  }

  private static double pairs(Queue<Long> queue, long count) {
    long start = System.nanoTime();
    long sum = 0;
    for (long i = 1; i <= count; i++) {
      queue.offer(ITEMS[(int) i & MASK]);
      sum += queue.poll();
    }
    double took = (System.nanoTime() - start) / 1e9;
    Measure.verify(sum + lost(count), count);
    return took;
  }

  public static void main(String[] args) throws Exception {
    Measure measure = new Measure(args, "jctools", "JCTools");
    measure.rate("spsc-8B-per-item", count -> perItem(new SpscArrayQueue<>(Measure.CAPACITY), 1, count));
    measure.rate("spsc-8B-batch-64", count -> batches(new SpscArrayQueue<>(Measure.CAPACITY), 64, 1, count));
    measure.rate("spsc-8B-batch-256", count -> batches(new SpscArrayQueue<>(Measure.CAPACITY), 256, 1, count));
    measure.rate("spsc-one-thread-pairs", count -> pairs(new SpscArrayQueue<>(Measure.CAPACITY), count));
    measure.rate("mpsc-2p-8B-per-item", count -> perItem(new MpscArrayQueue<>(Measure.CAPACITY), 2, count));
    measure.rate("mpsc-2p-8B-batch-64", count -> batches(new MpscArrayQueue<>(Measure.CAPACITY), 64, 2, count));
    measure.rate("mpsc-2p-8B-batch-256", count -> batches(new MpscArrayQueue<>(Measure.CAPACITY), 256, 2, count));
    System.exit(0);
  }
}
